package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// Direct is a bus without a backend: its handlers run in the goroutine of a caller, of
// Publish or of Drain, once each, and what they fail becomes a letter.
type Direct struct {
	core
	manner    Manner
	store     dlq.Store
	directory atomic.Pointer[directory]
	backlog   *backlog      // nil: Publish runs the handlers
	number    atomic.Uint64 // of the last letter

	active   atomic.Int64 // calls under way that may run handlers
	held     atomic.Int64 // events that recipients hold back
	draining atomic.Bool
	over     atomic.Bool // not even handlers may publish any more
	ended    sync.Once
	down     chan struct{} // closed when Shutdown is through

	started bool // guarded by mu
}

// Manner says how a Direct bus runs its handlers.
type Manner struct {
	Manual   bool // Publish only queues, Drain runs the handlers
	Together bool // all handlers of one event run at the same time
	Encode   bool // each event goes through the wire format
	Wait     bool // for room, instead of refusing at once
	Capacity int  // how many events may wait for Drain, and for each recipient that holds them back
	// Full makes the error for an event that has no room; group is empty where it is
	// that of the queue.
	Full func(group string, waiting int, cause error) error
}

// mostActive is how many calls may be under way at once: more is a handler that
// publishes what it handles, until the stack is full.
const mostActive = 10_000

// NewDirect makes a bus, or says everything that is wrong with the options.
func NewDirect(m Manner, letters dlq.Store, o eventbus.Options) (*Direct, error) {
	d := &Direct{manner: m, store: letters, down: make(chan struct{})}
	if err := d.init(letters, o, d.replay); err != nil {
		return nil, err
	}
	if m.Manual {
		d.backlog = &backlog{capacity: m.Capacity, room: make(chan struct{})}
	}
	d.directory.Store(&directory{})
	return d, nil
}

// Publish runs the handlers of the events, or queues them for Drain; see
// [eventbus.EventBus].
func (d *Direct) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	if err := acceptable(ctx, len(events)); err != nil || len(events) == 0 {
		return err
	}
	if err := d.enter(ctx); err != nil {
		return fmt.Errorf("eventbus: publish: %w", err)
	}
	defer d.leave()
	if len(events) > 1 {
		return d.publishAll(ctx, slices.Clone(events))
	}
	e := events[0] // on the stack: nobody refers to it later
	a := d.directory.Load().types[e.Type]
	var known binding
	if a != nil {
		known = a.known
	}
	if err := d.complete(&e, &known); err != nil {
		return d.refuseAll([]eventbus.DomainEvent{e}, map[int]error{0: err})
	}
	if a == nil {
		a = d.learn(e.Type, known)
	}
	if d.backlog == nil && d.held.Load() == 0 && !d.manner.Encode {
		d.counts.published.Add(1)
		if tell := d.options.Observer.Published; tell != nil {
			tell(eventbus.Published{Event: e})
		}
		d.dispatch(ctx, &e, a.to, provenance{})
		return nil
	}
	return d.publishAll(ctx, []eventbus.DomainEvent{e})
}

// publishAll publishes events one after the other. One without room refuses those
// behind it too: handled, they would have overtaken it.
func (d *Direct) publishAll(ctx context.Context, events []eventbus.DomainEvent) error {
	var known binding
	if err := d.check(events, &known); err != nil {
		return err
	}
	errs := make([]error, len(events))
	var refusal error
	for i := range events {
		if refusal == nil {
			refusal = d.hand(ctx, &events[i])
		}
		errs[i] = refusal
	}
	return d.outcome(events, errs)
}

// hand queues an event, or runs its handlers.
func (d *Direct) hand(ctx context.Context, e *eventbus.DomainEvent) error {
	a := d.directory.Load().types[e.Type]
	if a == nil {
		a = d.learn(e.Type, binding{})
	}
	if d.manner.Encode {
		decoded, err := wire.Decode(wire.Encode(e))
		if err != nil {
			return fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
		}
		e = &decoded
	}
	if d.backlog != nil {
		return d.queue(ctx, posting{event: e, to: a.to})
	}
	for _, r := range a.to {
		if n := r.full(); n > 0 {
			return d.manner.Full(r.group, n, nil)
		}
	}
	d.dispatch(ctx, e, a.to, provenance{})
	return nil
}

// provenance is where a replayed event comes from.
type provenance struct {
	origin  string
	replays int
}

// posting is an event that waits for recipients.
type posting struct {
	event *eventbus.DomainEvent
	to    []*recipient
	from  provenance
}

// dispatch runs the handlers of the event, in the order of their registration or all at
// the same time.
func (d *Direct) dispatch(ctx context.Context, e *eventbus.DomainEvent, to []*recipient, from provenance) {
	if d.manner.Together && len(to) > 1 {
		d.together(ctx, *e, to, from)
		return
	}
	next := 0
	defer func() {
		if next < len(to) { // a handler ended its goroutine: the others get the event all the same
			d.dispatch(ctx, e, to[next:], from)
		}
	}()
	for next < len(to) {
		r := to[next]
		next++
		r.take(ctx, e, from)
	}
}

func (d *Direct) together(ctx context.Context, e eventbus.DomainEvent, to []*recipient, from provenance) {
	var all sync.WaitGroup
	for _, r := range to {
		all.Go(func() { r.take(ctx, &e, from) })
	}
	all.Wait()
}

// enter counts a call, unless the bus is closed. Once Shutdown has begun, those calls
// are still served that may come from running handlers.
func (d *Direct) enter(ctx context.Context) error {
	n := d.active.Add(1)
	switch {
	case n > mostActive:
		d.leave()
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, errTooDeep)
	case !d.closing.Load():
		return nil
	case d.over.Load(), d.backlog != nil && d.handlingIn(ctx) == nil:
		d.leave()
		return eventbus.ErrClosed
	}
	return nil
}

func (d *Direct) leave() {
	if d.active.Add(-1) == 0 && d.closing.Load() {
		d.finish()
	}
}

var errTooDeep = errors.New("10,000 calls are under way at once: a handler publishes, directly or through others, the event that it handles")
