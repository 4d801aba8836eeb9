package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/scope"
)

// fakeBus hands every event to its subscribers, one after the other and without
// any wait, and commits the faults that it is told to.
type fakeBus struct {
	eventbus.Inspector // of which the demo needs no more than is here

	options eventbus.Options
	store   *dlq.MemoryStore
	// deliver says how often a delivery is made, and whether after the one behind
	// it. n counts the subscriber's deliveries from 0. nil is once, in order.
	deliver func(subscriber string, n int) fault
	// publish is asked before a batch is taken.
	publish func() error
	replay  func() error
	// answer is what Publish says of a call, the first being 0, and how many of its n
	// events it stores all the same. nil is no error.
	answer  func(call, n int) (stored int, err error)
	confirm int // events of a call that its answer's error is not about, the first
	letters *flakyStore

	calls   int
	pending atomic.Int64

	mu      sync.Mutex
	feeds   []*feed
	workers sync.WaitGroup
}

type fault struct {
	times int
	late  bool
	lost  bool // the connection is, between the times
}

// flakyStore fails as it is told to, before or after it has done what it was asked for.
type flakyStore struct {
	*dlq.MemoryStore
	before, after func(op string) error
}

func (s *flakyStore) do(op string, f func() error) error {
	if s.before != nil {
		if err := s.before(op); err != nil {
			return err
		}
	}
	if err := f(); err != nil || s.after == nil {
		return err
	}
	return s.after(op)
}

func (s *flakyStore) Page(ctx context.Context, f dlq.Filter, after string, limit int) (p dlq.Page, err error) {
	err = s.do("page", func() error { p, err = s.MemoryStore.Page(ctx, f, after, limit); return err })
	return p, err
}

func (s *flakyStore) Remove(ctx context.Context, ids ...string) (n int, err error) {
	err = s.do("remove", func() error { n, err = s.MemoryStore.Remove(ctx, ids...); return err })
	return n, err
}

type feed struct {
	eventbus.Subscriber
	bus   *fakeBus
	queue chan delivery
	n     int

	buried int
}

type delivery struct {
	eventbus.DomainEvent
	replays int
	lost    bool
}

func (b *fakeBus) open(o eventbus.Options) (eventbus.EventBus, error) {
	b.options = o.WithDefaults()
	b.store = dlq.NewMemoryStore(dlq.MemoryOptions{})
	if b.letters == nil {
		b.letters = &flakyStore{}
	}
	b.letters.MemoryStore = b.store
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
	stored, why := len(events), error(nil)
	if b.answer != nil {
		stored, why = b.answer(b.calls, len(events))
		b.calls++
	}
	for _, f := range b.feeds {
		for i := 0; i < stored; i++ {
			f.take(events[i], &i, events)
		}
	}
	if why == nil {
		return nil
	}
	err := &eventbus.PublishError{Total: len(events)}
	for i, e := range events {
		if i < b.confirm {
			continue
		}
		err.Failed = append(err.Failed, eventbus.EventError{Index: i, ID: e.ID, Type: e.Type, Err: why})
	}
	return err
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
		f.put(delivery{DomainEvent: events[*i]})
	}
	for n := range how.times {
		f.put(delivery{DomainEvent: e, lost: how.lost && n > 0})
	}
}

func (f *feed) put(d delivery) {
	f.bus.pending.Add(1)
	f.queue <- d
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
			if d.lost {
				b.options.Observer.Reconnected(eventbus.Reconnected{Subscriber: f.Name, Tries: 1, Err: errFake})
			}
			f.handle(d)
			b.pending.Add(-1)
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
	f.buried++
	_ = f.bus.store.Put(context.Background(), dlq.Letter{
		ID: f.Name + strconv.Itoa(f.buried), Group: f.Group, Subscriber: f.Name, Replays: d.replays,
		Reason: dlq.HandlerError, Errors: []string{err.Error()}, EventID: d.ID, Type: d.Type, Event: d.DomainEvent,
	})
	f.bus.options.Observer.Buried(eventbus.Buried{Subscriber: f.Name, Event: d.DomainEvent, LetterID: rand.Text(), Err: err})
}

func (b *fakeBus) DeadLetters() *dlq.Queue {
	q, err := dlq.NewQueue(dlq.Config{
		Store:  b.letters,
		Groups: func() []string { return []string{b.options.Group} },
		Send: func(_ context.Context, l dlq.Letter) error {
			if b.replay != nil {
				if err := b.replay(); err != nil {
					return err
				}
			}
			for _, f := range b.feeds {
				if f.Name == l.Subscriber {
					f.put(delivery{DomainEvent: l.Event, replays: l.Replays + 1})
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

func (b *fakeBus) Stats(context.Context) (eventbus.Stats, error) {
	return eventbus.Stats{Subscribers: []eventbus.SubscriberStats{{InFlight: int(b.pending.Load())}}}, nil
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
