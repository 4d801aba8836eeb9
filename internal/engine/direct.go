package engine

import (
	"context"
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
	limits    limits // of waiting for room, or for a paused recipient
	directory atomic.Pointer[directory]
	backlog   *backlog      // nil: Publish runs the handlers
	number    atomic.Uint64 // of the last letter
	traffic   traffic
	draining  atomic.Bool
	spare     sync.Pool // of events
	started   bool      // guarded by mu
}

// Manner says how a Direct bus runs its handlers.
type Manner struct {
	Manual   bool // Publish only queues, Drain runs the handlers
	Together bool // all handlers of one event run at the same time
	Encode   bool // each event goes through the wire format
	Wait     bool // for room in the queue, instead of refusing at once
	Capacity int  // of the queue
	// Full makes the error for an event that has no room.
	Full func(waiting int, cause error) error
}

// NewDirect makes a bus, or says everything that is wrong with the options.
func NewDirect(m Manner, letters dlq.Store, o eventbus.Options) (*Direct, error) {
	d := &Direct{manner: m, store: letters}
	if err := d.init(letters, o, d.replay); err != nil {
		return nil, err
	}
	d.traffic.init()
	d.limits = limits{d.clock, d.options.PublishTimeout, d.traffic.closed}
	if m.Manual {
		d.backlog = newBacklog(m.Capacity)
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
	late, err := d.enter(ctx)
	if err != nil {
		d.counts.refused.Add(uint64(len(events)))
		return fmt.Errorf("eventbus: publish: %w", err)
	}
	defer d.leave(late)
	if len(events) > 1 || d.backlog != nil || d.manner.Encode {
		return d.publishAll(ctx, slices.Clone(events))
	}
	e := d.shared()
	*e = events[0]
	var known binding
	a := d.directory.Load().types[e.Type]
	if a != nil {
		known = a.known
	}
	if err := d.complete(e, &known); err != nil {
		return d.refuseAll([]eventbus.DomainEvent{*e}, map[int]error{0: err})
	}
	if a == nil {
		a = d.learn(e.Type, known)
	}
	d.counts.published.Add(1)
	d.dispatch(ctx, e, a.to)
	if tell := d.options.Observer.Published; tell != nil {
		tell(eventbus.Published{Event: *e})
	}
	d.spare.Put(e) // a handler that ends the goroutine keeps its own
	return nil
}

// shared returns a place for an event that the handlers are shown. It is used again, as
// none of them keeps it.
func (d *Direct) shared() *eventbus.DomainEvent {
	if e, ok := d.spare.Get().(*eventbus.DomainEvent); ok {
		return e
	}
	return new(eventbus.DomainEvent)
}

// publishAll publishes events one after the other. One without room refuses those
// behind it too: queued, they would have overtaken it.
func (d *Direct) publishAll(ctx context.Context, events []eventbus.DomainEvent) error {
	var known binding
	if err := d.check(events, &known); err != nil {
		return err
	}
	errs := make([]error, len(events))
	told, next := false, 0
	defer func() {
		if !told { // a handler has ended the goroutine
			_ = d.outcome(events, errs)
		}
	}()
	var refusal error
	whatever(func() bool {
		if next == len(events) {
			return false
		}
		i := next
		next++
		if refusal == nil {
			refusal = d.hand(ctx, &events[i])
		}
		errs[i] = refusal
		return true
	})
	told = true
	return d.outcome(events, errs)
}

// hand queues an event, or runs its handlers.
func (d *Direct) hand(ctx context.Context, e *eventbus.DomainEvent) error {
	if d.manner.Encode {
		decoded, err := wire.Decode(wire.Encode(e))
		if err != nil {
			return fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
		}
		e = &decoded
	}
	if d.backlog != nil {
		return d.queue(ctx, e)
	}
	d.dispatch(ctx, e, d.audience(e.Type).to)
	return nil
}

// audience returns who gets the event type.
func (d *Direct) audience(eventType string) *audience {
	if a := d.directory.Load().types[eventType]; a != nil {
		return a
	}
	return d.learn(eventType, binding{})
}

// provenance is where a replayed event comes from.
type provenance struct {
	origin  string
	replays int
}

// dispatch runs the handlers of the event, in the order of their registration or all at
// the same time.
func (d *Direct) dispatch(ctx context.Context, e *eventbus.DomainEvent, to []*recipient) {
	if d.manner.Together && len(to) > 1 {
		d.together(ctx, *e, to)
		return
	}
	next := 0
	defer func() {
		if next < len(to) { // a handler has ended the goroutine: the others get the event all the same
			d.dispatch(ctx, e, to[next:])
		}
	}()
	for next < len(to) {
		r := to[next]
		next++
		_ = r.take(ctx, e, provenance{}) // said by letter, log and health
	}
}

func (d *Direct) together(ctx context.Context, e eventbus.DomainEvent, to []*recipient) {
	var all sync.WaitGroup
	for _, r := range to {
		all.Go(func() { _ = r.take(ctx, &e, provenance{}) })
	}
	all.Wait()
}

// whatever calls step until it returns false, also when one ends the goroutine.
func whatever(step func() bool) {
	over := false
	defer func() {
		if !over {
			whatever(step)
		}
	}()
	for step() {
	}
	over = true
}
