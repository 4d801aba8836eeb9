package eventbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// BackgroundBus publishes in the background, over another bus: its Publish returns
// as soon as the events stand in a bounded queue in memory, before the bus beneath
// has stored them. All methods may be called concurrently.
//
//   - Publish refuses at once what no bus takes (a nil or ended context, an invalid
//     event); nil means queued. What fails later is told to [BackgroundOptions.Failed]
//     and counted. The end of the process loses what is queued.
//   - The bus beneath gets the values of the caller's context and not its end; its own
//     time-out applies.
//   - Order: events of one aggregate, and events that were published with one and the
//     same context, are handed over in the order of the calls. A failure holds up
//     nothing that comes after it; a slow Publish does, until it returns: the next ones
//     collect meanwhile.
//   - While calls are being handed over the next ones collect, without a timer. Calls
//     with the same context go together in one Publish of the bus beneath, others beside
//     each other, at most 64 at once. A call is never split, and an event that the bus
//     beneath refuses fails no call but its own.
//   - In a handler Publish goes straight to the bus beneath and returns its error: the
//     handler's own event is acknowledged when it returns, so what it publishes must be
//     stored by then. It neither stands behind the queue nor waits for the bound; its
//     order with what is queued is open. As on every bus the handler's context tells,
//     also where the bus beneath runs handlers in its Publish; an observer that
//     publishes with another context may wait for itself.
//   - The context must outlive Publish and not change: its values are read later. One
//     that is used again for another request, as some web frameworks do, must not be given.
//   - The bound is one of events, not of bytes; what is too large for the bus beneath is
//     told to Failed.
//   - Shutdown first hands over what is queued, then ends the bus beneath.
//
// No goroutine runs while nothing is queued.
type BackgroundBus struct {
	inner   EventBus
	options BackgroundOptions
	failed  notice             // of failures, for the goroutine that tells them
	broken  notice             // of a Failed that does not return
	life    context.Context    // of what is handed over: ends when Shutdown gives up
	giveUp  context.CancelFunc // ends life
	late    chan struct{}      // closed a moment after the end of life
	drained chan struct{}      // closed when closing and nothing is left
	direct  atomic.Uint64

	mu      sync.Mutex
	backlog backlog
	running bool // a goroutine hands over
	closing bool // Shutdown has begun
	cut     bool // its time was up
	wave    []*parcel
	lost    []EventError // what failed after that
	counts  struct{ queued, published, failed, refused uint64 }
}

var (
	_ EventBus  = (*BackgroundBus)(nil)
	_ Unwrapper = (*BackgroundBus)(nil)
)

// Background returns a bus that publishes over the given one in the background, or
// everything that is wrong with the arguments. Use it in place of the other, and shut
// it down alone: it shuts down the other.
func Background(bus EventBus, o BackgroundOptions) (*BackgroundBus, error) {
	var errs []error
	if isNil(bus) {
		errs = append(errs, invalid("bus", "must not be nil", ""))
	}
	o = o.withDefaults()
	if err := errors.Join(append(errs, o.validate()...)...); err != nil {
		return nil, fmt.Errorf("eventbus: background: %w", err)
	}
	b := &BackgroundBus{
		inner: bus, options: o,
		failed:  notice{now: o.Clock.Now},
		broken:  notice{now: o.Clock.Now},
		late:    make(chan struct{}),
		drained: make(chan struct{}),
		backlog: backlog{bound: o.Bound},
	}
	b.life, b.giveUp = context.WithCancel(context.Background())
	return b, nil
}

// Unwrap returns the bus beneath, whose Publish waits until the events are stored.
func (b *BackgroundBus) Unwrap() EventBus { return b.inner }

// Publish queues events. On a full queue it waits for room until ctx ends, in the
// order of coming, or fails at once, as BackgroundOptions.WhenFull says; either way
// with a [PublishError] that matches [ErrFull] and [ErrRefused]. Once Shutdown has
// begun it returns [ErrClosed], except in handlers.
func (b *BackgroundBus) Publish(ctx context.Context, events ...DomainEvent) error {
	if ctx != nil && b.within(ctx) {
		b.direct.Add(uint64(len(events)))
		return b.inner.Publish(ctx, events...)
	}
	if err := admit(ctx, len(events)); err != nil || len(events) == 0 {
		return err
	}
	if b.isClosing() {
		return errPublishClosed
	}
	events, err := prepare(events, b.options.Clock.Now)
	if err != nil {
		return err
	}
	c := newCall(ctx, events)
	if t := b.tellingIn(ctx); t != nil {
		if ctx == t.own {
			c.ctx = t.published // or contexts would nest, time after time
		}
		return b.force(c)
	}
	return b.queue(ctx, c)
}

// Subscribe joins a subscriber on the bus beneath; see [EventBus].
func (b *BackgroundBus) Subscribe(ctx context.Context, s Subscriber) (Subscription, error) {
	if b.isClosing() {
		return nil, fmt.Errorf("eventbus: subscribe %s: %w", s.Name, ErrClosed)
	}
	return b.inner.Subscribe(ctx, s)
}

// Start starts the bus beneath; see [EventBus]. Publishing needs no Start.
func (b *BackgroundBus) Start(ctx context.Context) error {
	if b.isClosing() {
		return fmt.Errorf("eventbus: start: %w", ErrClosed)
	}
	return b.inner.Start(ctx)
}

// Stats returns the counters. They are read at one instant.
func (b *BackgroundBus) Stats() BackgroundStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := BackgroundStats{
		Queued: b.counts.queued, Published: b.counts.published, Failed: b.counts.failed,
		Refused: b.counts.refused, Direct: b.direct.Load(),
	}
	for _, p := range b.wave {
		s.UnderWay += len(p.events)
	}
	s.Waiting = b.backlog.size - s.UnderWay
	return s
}

func (b *BackgroundBus) isClosing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closing
}
