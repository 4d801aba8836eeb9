package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// Bus is the bus of every backend.
type Bus struct {
	core
	backend Backend
	sender  *sender
	dice    dice
	calls   sync.Pool // of *call, that are used again

	started bool                     // guarded by mu, as is subs
	subs    map[string]*subscription // by group; joining ones are nil
	joining sync.WaitGroup           // those
	down    chan struct{}            // closed when Shutdown is through
}

var (
	_ eventbus.EventBus  = (*Bus)(nil)
	_ eventbus.Inspector = (*Bus)(nil)
	_ eventbus.Admin     = (*Bus)(nil)
	_ dlq.Holder         = (*Bus)(nil)
)

// New makes a bus over the backend, or says everything that is wrong with the
// options.
func New(b Backend, o eventbus.Options) (*Bus, error) {
	bus := &Bus{backend: b, subs: map[string]*subscription{}, down: make(chan struct{})}
	if err := bus.init(b.Letters, o, bus.replay); err != nil {
		return nil, err
	}
	bus.dice.rand = bus.options.Rand
	bus.sender = newSender(bus)
	return bus, nil
}

// Subscribe joins a subscriber; see [eventbus.EventBus].
func (b *Bus) Subscribe(ctx context.Context, sub eventbus.Subscriber) (eventbus.Subscription, error) {
	s, err := b.subscribe(ctx, sub)
	if err != nil {
		return nil, fmt.Errorf("eventbus: subscribe %s: %w", sub.Name, err)
	}
	return s, nil
}

func (b *Bus) subscribe(ctx context.Context, sub eventbus.Subscriber) (*subscription, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	sub = sub.WithDefaults(b.options)
	handler, err := wrap(sub.Handler, b.options.Middleware)
	if err := errors.Join(sub.Validate(b.options), err, ctx.Err()); err != nil {
		return nil, err
	}
	s := newSubscription(b, sub)
	s.handler = handler
	if err := b.reserve(s); err != nil {
		return nil, err
	}
	defer b.joining.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.sender.context, cancel)() // nor does it outlast the bus
	member, err := b.backend.Transport.Join(ctx, Group{Name: s.group, Patterns: s.patterns, From: sub.From})
	if err != nil {
		b.forget(s.group)
		return nil, err
	}
	s.member = member
	b.mu.Lock()
	closed := b.closing.Load()
	started := b.started
	if !closed {
		b.subs[s.group] = s
	}
	b.mu.Unlock()
	if closed {
		b.forget(s.group)
		return nil, errors.Join(eventbus.ErrClosed, member.Close(ctx))
	}
	if started {
		s.open()
	}
	return s, nil
}

// reserve takes the name of the subscription, and its payload types.
func (b *Bus) reserve(s *subscription) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing.Load() {
		return eventbus.ErrClosed
	}
	if _, ok := b.subs[s.group]; ok {
		return fmt.Errorf("%w: %s has a subscription on this bus; Stop it first", eventbus.ErrDuplicate, s.group)
	}
	if err := b.types.bindAll(s.sub.Handler); err != nil {
		return err
	}
	b.joining.Add(1)
	b.subs[s.group] = nil
	b.groups[s.sub.Group] = true
	return nil
}

func (b *Bus) forget(group string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subs, group)
}

// Start opens the tap; see [eventbus.EventBus].
func (b *Bus) Start(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: start: %w", errNilContext)
	}
	err := ctx.Err()
	if opener, ok := b.backend.Transport.(Opener); ok && err == nil && !b.closing.Load() {
		err = opener.Open(ctx)
	}
	if err != nil {
		return fmt.Errorf("eventbus: start: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closing.Load():
		return fmt.Errorf("eventbus: start: %w", eventbus.ErrClosed)
	case b.started:
		return fmt.Errorf("eventbus: start: %w", eventbus.ErrStarted)
	}
	b.started = true
	for _, s := range b.subs {
		if s != nil {
			s.open()
		}
	}
	return nil
}

// subscriptions returns those that have joined, by name.
func (b *Bus) subscriptions() []*subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*subscription
	for _, group := range slices.Sorted(maps.Keys(b.subs)) {
		if s := b.subs[group]; s != nil {
			all = append(all, s)
		}
	}
	return all
}

// after returns a channel that is closed after d, by the bus's clock, and what
// ends the wait early.
func (b *Bus) after(d time.Duration) (ended <-chan struct{}, stop func()) {
	done := make(chan struct{})
	t := b.clock.AfterFunc(d, func() { close(done) })
	return done, func() { t.Stop() }
}

// sleep waits for d, or until ctx ends.
func (b *Bus) sleep(ctx context.Context, d time.Duration) {
	ended, stop := b.after(d)
	defer stop()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// dice is the random source, for use by many goroutines.
type dice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func (d *dice) roll() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.Float64()
}

// backoff is how the engine itself waits before it asks a backend again: less than 5 s, in which
// a bus is to work again when its server does.
var backoff = eventbus.RetryPolicy{Attempts: 1, Min: 50 * time.Millisecond, Max: 4 * time.Second, Multiplier: 2, Jitter: 0.2}

func (b *Bus) pauseAfter(failures int) time.Duration { return backoff.Delay(failures, b.dice.roll()) }

var errNilContext error = &eventbus.ValidationError{Field: "ctx", Rule: "must not be nil"}
