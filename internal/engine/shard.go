package engine

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/seed-28af575d/eventbus"
)

// shardRoom is how many messages may wait in one shard.
const shardRoom = 10_000

// shard sends the messages of one shard of the backend, one batch at a time and in
// the order in which they came. A lone caller is served in its own goroutine; what
// comes meanwhile is sent by a goroutine that ends when nothing is left.
type shard struct {
	sender *sender
	room   *semaphore.Weighted

	mu    sync.Mutex
	busy  bool // somebody sends
	queue []*parcel
}

// parcel are the messages of one call for one shard.
type parcel struct {
	shard    *shard
	messages []Message
	index    []int // of each in the call
	outcomes *outcomes
	credit   int64
	doubtful bool // something of it is not stored for certain: no more of it is sent
}

func newShard(s *sender) *shard {
	return &shard{sender: s, room: semaphore.NewWeighted(shardRoom)}
}

// lead reports whether the caller may send at once, and makes it the one who does.
func (h *shard) lead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy {
		return false
	}
	h.busy = true
	return true
}

// serve sends the parcel in the caller's goroutine and under its context, and hands
// over to another one if more has come.
func (h *shard) serve(ctx context.Context, p *parcel) {
	var bound boundedContext
	bound.begin(ctx, &h.sender.limits)
	h.send(&bound, []*parcel{p})
	bound.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		h.busy = false
		return
	}
	h.sender.busy.Add(1)
	go h.flush()
}

// add queues the parcel, once there is room for it.
func (h *shard) add(ctx context.Context, p *parcel) {
	if err := h.reserve(ctx, p); err != nil {
		p.fail(fmt.Errorf("%w: %w: %d messages wait to be sent: %w", eventbus.ErrRefused, eventbus.ErrFull, shardRoom, err))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue = append(h.queue, p)
	if h.busy {
		return
	}
	h.busy = true
	h.sender.busy.Add(1)
	go h.flush()
}

// reserve waits for room, unless a handler or the engine itself sends: that could
// wait for itself.
func (h *shard) reserve(ctx context.Context, p *parcel) error {
	n := min(int64(len(p.messages)), shardRoom)
	switch {
	case h.room.TryAcquire(n):
	case p.messages[0].Beyond:
		h.sender.bus.counts.beyond.Add(uint64(len(p.messages)))
		return nil
	default:
		if err := h.room.Acquire(ctx, n); err != nil {
			return err
		}
	}
	p.credit = n
	return nil
}

// withdraw fails the parcel if it is still waiting.
func (h *shard) withdraw(ctx context.Context, p *parcel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, q := range h.queue {
		if q == p {
			h.queue = append(h.queue[:i], h.queue[i+1:]...)
			h.room.Release(p.credit)
			p.fail(fmt.Errorf("%w: %w", eventbus.ErrRefused, ctx.Err()))
			return
		}
	}
}

// flush sends what waits until nothing does.
func (h *shard) flush() {
	defer h.sender.busy.Done()
	for {
		batch := h.take()
		if batch == nil {
			return
		}
		var bound boundedContext
		bound.begin(h.sender.context, &h.sender.limits)
		h.send(&bound, batch)
		bound.end()
	}
}

// take returns parcels that fit one batch, at least one, or nil when the shard is
// idle again.
func (h *shard) take() []*parcel {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, size := 0, 0
	for n < len(h.queue) && (n == 0 || size+len(h.queue[n].messages) <= h.sender.traits.Batch) {
		size += len(h.queue[n].messages)
		n++
	}
	if n == 0 {
		h.busy = false
		return nil
	}
	batch := append([]*parcel(nil), h.queue[:n]...)
	rest := copy(h.queue, h.queue[n:])
	clear(h.queue[rest:])
	h.queue = h.queue[:rest]
	return batch
}

// send sends the parcels and settles them. Several fit one batch; one alone may not.
func (h *shard) send(ctx context.Context, batch []*parcel) {
	var errs []error
	if len(batch) == 1 {
		errs = h.sendPieces(ctx, batch[0])
	} else {
		errs = h.sendTogether(ctx, batch)
	}
	for _, p := range batch {
		n := min(len(errs), len(p.messages))
		p.settle(errs[:n])
		errs = errs[n:]
		if p.credit > 0 {
			h.room.Release(p.credit)
		}
	}
}

// sendPieces sends what one call has, a batch at a time, and returns an error by index,
// or nil.
func (h *shard) sendPieces(ctx context.Context, p *parcel) (errs []error) {
	from := 0
	for from < len(p.messages) {
		to := min(from+h.sender.traits.Batch, len(p.messages))
		if some := h.sender.deliver(ctx, p.messages[from:to], []*parcel{p}); some != nil {
			if errs == nil {
				errs = make([]error, len(p.messages))
			}
			copy(errs[from:], some)
		}
		if from = to; p.doubtful {
			break
		}
	}
	for i := from; i < len(errs); i++ {
		errs[i] = errOvertaking
	}
	return errs
}

func (h *shard) sendTogether(ctx context.Context, batch []*parcel) []error {
	var all []Message
	for _, p := range batch {
		all = append(all, p.messages...)
	}
	return h.sender.deliver(ctx, all, batch)
}

func (p *parcel) settle(errs []error) { p.outcomes.set(p.index, errs) }

func (p *parcel) fail(err error) {
	errs := make([]error, len(p.index))
	for i := range errs {
		errs[i] = err
	}
	p.settle(errs)
}

// outcomes collects what became of the messages of one call.
type outcomes struct {
	done chan struct{} // closed when all are known

	mu      sync.Mutex
	errs    []error
	known   []bool
	left    int
	failing bool // one of errs is not nil
}

func newOutcomes(n int) *outcomes {
	return &outcomes{done: make(chan struct{}), errs: make([]error, n), known: make([]bool, n), left: n}
}

func (o *outcomes) set(index []int, errs []error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, at := range index {
		if o.known[at] {
			continue // the caller has gone with another answer
		}
		o.known[at] = true
		if len(errs) > 0 {
			o.errs[at] = errs[i]
			o.failing = o.failing || errs[i] != nil
		}
		if o.left--; o.left == 0 {
			close(o.done)
		}
	}
}

// abandon answers unknown for what is still under way.
func (o *outcomes) abandon(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, known := range o.known {
		if !known {
			o.known[i], o.failing = true, true
			o.errs[i] = fmt.Errorf("%w: %w", eventbus.ErrUnknown, ctx.Err())
		}
	}
}

func (o *outcomes) failAll(err error) []error {
	for i := range o.errs {
		o.errs[i] = err
	}
	return o.errs
}

// take returns the errors by index, or nil when there is none.
func (o *outcomes) take() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.failing {
		return nil
	}
	return o.errs
}
