package eventbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Discard returns a bus that takes every valid event and does nothing with it: for
// programs in which events are switched off, and where a bus must be given that does
// not matter. It refuses what every bus refuses: bad arguments, invalid events,
// a second Start, a second subscription of one name, and everything once Shutdown has
// begun. No handler is ever called, and no goroutine is started.
func Discard() EventBus {
	return &discard{options: Options{}.WithDefaults(), subscriptions: map[string]*discarded{}}
}

type discard struct {
	options Options

	mu            sync.Mutex
	started       bool
	closed        bool
	subscriptions map[string]*discarded // by group
}

func (d *discard) Publish(ctx context.Context, events ...DomainEvent) error {
	if err := admit(ctx, len(events)); err != nil {
		return err
	}
	if len(events) == 0 {
		return nil
	}
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	if closed {
		return errPublishClosed
	}
	_, err := prepare(events, time.Now)
	return err
}

var errPublishClosed = fmt.Errorf("eventbus: publish: %w", ErrClosed)

func (d *discard) Subscribe(ctx context.Context, s Subscriber) (Subscription, error) {
	sub, err := d.subscribe(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("eventbus: subscribe %s: %w", s.Name, err)
	}
	return sub, nil
}

func (d *discard) subscribe(ctx context.Context, s Subscriber) (*discarded, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	s = s.WithDefaults(d.options)
	if err := errors.Join(s.Validate(d.options), ctx.Err()); err != nil {
		return nil, err
	}
	group := s.Group + "." + s.Name
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, ErrClosed
	}
	if d.subscriptions[group] != nil {
		return nil, fmt.Errorf("%w: %s has a subscription on this bus; Stop it first", ErrDuplicate, group)
	}
	sub := &discarded{bus: d, group: group, done: make(chan struct{})}
	d.subscriptions[group] = sub
	return sub, nil
}

func (d *discard) Start(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: start: %w", errNoContext)
	}
	err := ctx.Err()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err != nil:
	case d.closed:
		err = ErrClosed
	case d.started:
		err = ErrStarted
	}
	if err != nil {
		return fmt.Errorf("eventbus: start: %w", err)
	}
	d.started = true
	return nil
}

func (d *discard) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: shutdown: %w", errNoContext)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, s := range d.subscriptions {
		s.end()
	}
	return nil
}

// discarded is a subscription that gets nothing.
type discarded struct {
	bus   *discard
	group string
	done  chan struct{}
}

func (*discarded) Pause()                  {}
func (*discarded) Resume()                 {}
func (*discarded) Err() error              { return nil }
func (s *discarded) Done() <-chan struct{} { return s.done }

func (s *discarded) Stop(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: stop %s: %w", s.group, errNoContext)
	}
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.end()
	return nil
}

// end ends the subscription once; the lock of the bus is held.
func (s *discarded) end() {
	if s.bus.subscriptions[s.group] == s {
		delete(s.bus.subscriptions, s.group)
		close(s.done)
	}
}
