package demo

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/scope"
)

// fakeBus hands every event to its subscribers, one after the other and without
// any wait, and commits the faults that it is told to.
type fakeBus struct {
	options eventbus.Options
	store   *dlq.MemoryStore
	// deliver says how often a delivery is made, and whether after the one behind
	// it. n counts the subscriber's deliveries from 0. nil is once, in order.
	deliver func(subscriber string, n int) fault
	// publish is asked before a batch is taken.
	publish func() error
	replay  func() error

	mu      sync.Mutex
	feeds   []*feed
	workers sync.WaitGroup
}

type fault struct {
	times int
	late  bool
}

type feed struct {
	eventbus.Subscriber
	bus   *fakeBus
	queue chan delivery
	n     int
}

type delivery struct {
	eventbus.DomainEvent
	replays int
}

func (b *fakeBus) open(o eventbus.Options) (eventbus.EventBus, error) {
	b.options = o.WithDefaults()
	b.store = dlq.NewMemoryStore(dlq.MemoryOptions{})
	return b, nil
}

func (b *fakeBus) Publish(_ context.Context, events ...eventbus.DomainEvent) error {
	if b.publish != nil {
		if err := b.publish(); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.feeds {
		for i := 0; i < len(events); i++ {
			f.take(events[i], &i, events)
		}
	}
	return nil
}

// take queues an event as the fault says; a late one changes places with the next.
func (f *feed) take(e eventbus.DomainEvent, i *int, events []eventbus.DomainEvent) {
	how := fault{times: 1}
	if f.bus.deliver != nil {
		how = f.bus.deliver(f.Name, f.n)
	}
	f.n++
	if how.late && *i+1 < len(events) {
		*i++
		f.queue <- delivery{DomainEvent: events[*i]}
	}
	for range how.times {
		f.queue <- delivery{DomainEvent: e}
	}
}

func (b *fakeBus) Subscribe(_ context.Context, s eventbus.Subscriber) (eventbus.Subscription, error) {
	s = s.WithDefaults(b.options)
	if err := s.Validate(b.options); err != nil {
		return nil, err
	}
	f := &feed{Subscriber: s, bus: b, queue: make(chan delivery, 1<<16)}
	b.feeds = append(b.feeds, f)
	b.workers.Go(func() {
		for d := range f.queue {
			f.handle(d)
		}
	})
	return f, nil
}

func (f *feed) handle(d delivery) {
	o := f.bus.options.Observer
	for attempt := 1; ; attempt++ {
		ctx := context.WithValue(context.Background(), scope.Delivery, eventbus.Delivery{Subscriber: f.Name, Attempt: attempt})
		err := f.Handler.Handle(ctx, d.DomainEvent)
		o.Handled(eventbus.Handled{Subscriber: f.Name, Event: d.DomainEvent, Attempt: attempt, Err: err})
		switch {
		case err == nil:
			return
		case eventbus.IsPermanent(err) || attempt == f.Retry.Attempts:
			f.bury(d, err)
			return
		}
		o.Retried(eventbus.Retried{Subscriber: f.Name, Event: d.DomainEvent, Attempt: attempt, Err: err})
	}
}

func (f *feed) bury(d delivery, err error) {
	_ = f.bus.store.Put(context.Background(), dlq.Letter{
		ID: f.Name + d.ID + strconv.Itoa(d.replays), Group: f.Group, Subscriber: f.Name, Replays: d.replays,
		Reason: dlq.HandlerError, Errors: []string{err.Error()}, EventID: d.ID, Type: d.Type, Event: d.DomainEvent,
	})
	f.bus.options.Observer.Buried(eventbus.Buried{Subscriber: f.Name, Event: d.DomainEvent, Err: err})
}

func (b *fakeBus) DeadLetters() *dlq.Queue {
	q, err := dlq.NewQueue(dlq.Config{
		Store:  b.store,
		Groups: func() []string { return []string{b.options.Group} },
		Send: func(_ context.Context, l dlq.Letter) error {
			if b.replay != nil {
				if err := b.replay(); err != nil {
					return err
				}
			}
			for _, f := range b.feeds {
				if f.Name == l.Subscriber {
					f.queue <- delivery{DomainEvent: l.Event, replays: l.Replays + 1}
				}
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	return q
}

func (b *fakeBus) Start(context.Context) error { return nil }

func (b *fakeBus) Shutdown(context.Context) error {
	for _, f := range b.feeds {
		close(f.queue)
	}
	b.workers.Wait()
	return nil
}

func (f *feed) Pause()                     {}
func (f *feed) Resume()                    {}
func (f *feed) Stop(context.Context) error { return nil }
func (f *feed) Done() <-chan struct{}      { return nil }
func (f *feed) Err() error                 { return nil }

var errFake = errors.New("the broker is away")
