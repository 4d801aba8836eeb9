package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
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
	errs := h.sendPieces(&bound, p)
	bound.end()
	h.settle([]*parcel{p}, errs)
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

// withdraw fails the parcel, for the reason given, if it is still waiting.
func (h *shard) withdraw(p *parcel, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, q := range h.queue {
		if q == p {
			h.queue = slices.Delete(h.queue, i, i+1)
			h.room.Release(p.credit)
			p.fail(fmt.Errorf("%w: %w", eventbus.ErrRefused, why))
			return
		}
	}
}

// flush sends what waits until nothing does.
func (h *shard) flush() {
	defer h.sender.busy.Done()
	var b bundle
	for h.take(&b) {
		var bound boundedContext
		bound.begin(h.sender.context, &h.sender.limits)
		h.settle(b.parcels, h.send(&bound, &b))
		bound.end()
		runtime.Gosched() // callers that were served may have more, which then goes with the next batch
	}
}

// bundle are parcels that are sent together: several that fit one Send, or a single one
// that may not.
type bundle struct {
	parcels  []*parcel
	messages []Message // of several
}

// take fills the bundle with what comes next and fits one Send, at least one parcel, or
// reports that nothing waits and the shard is idle again.
func (h *shard) take(b *bundle) bool {
	clear(b.parcels) // they are not ours any more
	b.parcels = b.parcels[:0]
	h.mu.Lock()
	defer h.mu.Unlock()
	n, size := 0, 0
	for n < len(h.queue) && (n == 0 || size+len(h.queue[n].messages) <= h.sender.traits.Batch) {
		size += len(h.queue[n].messages)
		n++
	}
	if n == 0 {
		h.busy = false
		return false
	}
	b.parcels = append(b.parcels, h.queue[:n]...)
	h.queue = slices.Delete(h.queue, 0, n)
	return true
}

// send returns an error by message of the bundle, or nil.
func (h *shard) send(ctx context.Context, b *bundle) []error {
	if len(b.parcels) == 1 {
		return h.sendPieces(ctx, b.parcels[0])
	}
	for _, p := range b.parcels {
		b.messages = append(b.messages, p.messages...)
	}
	errs := h.sender.deliver(ctx, b.messages, b.parcels)
	clear(b.messages)
	b.messages = b.messages[:0]
	return errs
}

// sendPieces sends what one call has, a Send at a time, and returns an error by index,
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

// settle tells the parcels what became of their messages, and gives back their room.
func (h *shard) settle(parcels []*parcel, errs []error) {
	for _, p := range parcels {
		if p.credit > 0 {
			h.room.Release(p.credit)
		}
		n := min(len(errs), len(p.messages))
		p.settle(errs[:n])
		errs = errs[n:]
	}
}
