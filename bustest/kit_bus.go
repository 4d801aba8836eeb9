package bustest

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// bus is an instance. Its methods in lower case end the case when they fail.
type bus struct {
	eventbus.EventBus
	k     *kit
	group string
	over  bool // the case has ended it itself
	dead  bool // it has crashed
}

func (b *bus) start() {
	b.k.Helper()
	ctx, cancel := b.k.within(b.k.backend.Patience)
	defer cancel()
	if err := b.Start(ctx); err != nil {
		b.k.Fatalf("start the bus: %v", err)
	}
}

func (b *bus) publish(events ...eventbus.DomainEvent) {
	b.k.Helper()
	if err := b.Publish(b.k.Context(), events...); err != nil {
		b.k.Fatalf("publish %v: %v", ids(events), err)
	}
}

// subscribe joins a subscriber whose settings are filled in where the case has none:
// it is the worker that takes everything, with 3 attempts a unit apart and more time
// for each than the case has patience.
func (b *bus) subscribe(s eventbus.Subscriber) eventbus.Subscription {
	b.k.Helper()
	ctx, cancel := b.k.within(b.k.backend.Patience)
	defer cancel()
	joined, err := b.Subscribe(ctx, b.filled(s))
	if err != nil {
		b.k.Fatalf("subscribe %s: %v", s.Name, err)
	}
	return joined
}

func (b *bus) filled(s eventbus.Subscriber) eventbus.Subscriber {
	s.Name = cmp.Or(s.Name, "worker")
	if _, typed := s.Handler.(eventbus.Typed); !typed && len(s.Events) == 0 {
		s.Events = []string{"#"}
	}
	if s.Retry == (eventbus.RetryPolicy{}) {
		s.Retry = b.k.retry(3)
	}
	s.Timeout = cmp.Or(s.Timeout, 10*b.k.backend.Patience)
	return s
}

// handle subscribes a recorder that does what it is told, or nothing. It takes the
// place of the subscriber's handler.
func (b *bus) handle(s eventbus.Subscriber, do script) *recorder {
	b.k.Helper()
	r := b.k.recorder(do)
	s.Handler = r
	r.sub = b.subscribe(s)
	return r
}

// running opens a bus, subscribes a recorder, and starts.
func (k *kit) running(o eventbus.Options, s eventbus.Subscriber, do script) (*bus, *recorder) {
	k.Helper()
	b := k.open(o)
	r := b.handle(s, do)
	b.start()
	return b, r
}

// shutdown ends the bus and says how long that took.
func (b *bus) shutdown() time.Duration {
	b.k.Helper()
	begun := time.Now()
	if err := b.shutdownWithin(b.k.backend.Patience); err != nil {
		b.k.Fatalf("shut the bus down: %v", err)
	}
	return time.Since(begun)
}

// shutdownWithin ends the bus with so much grace.
func (b *bus) shutdownWithin(grace time.Duration) error {
	ctx, cancel := b.k.within(grace)
	defer cancel()
	b.over = true
	return b.Shutdown(ctx)
}

// closing waits until the bus has begun to shut down.
func (b *bus) closing() {
	b.k.Helper()
	b.k.soon("the bus is closed", func() bool { return errors.Is(b.Start(b.k.Context()), eventbus.ErrClosed) })
}

func (b *bus) crash() {
	b.over, b.dead = true, true
	b.k.space.Crash(b.EventBus)
}

func (b *bus) inject(topic string, m Foreign) {
	b.k.Helper()
	ctx, cancel := b.k.within(b.k.backend.Patience)
	defer cancel()
	if err := b.k.space.Inject(ctx, topic, m); err != nil {
		b.k.Fatalf("inject a message: %v", err)
	}
}

func (b *bus) letters() *letters {
	b.k.Helper()
	q, ok := dlq.Of(b.EventBus)
	if !ok {
		b.k.Fatalf("the bus holds no dead letters")
	}
	return &letters{Queue: q, k: b.k}
}

// stats returns the bus's counters and those of its subscriber.
func (b *bus) stats(subscriber string) (eventbus.Stats, eventbus.SubscriberStats) {
	b.k.Helper()
	inspector, _ := eventbus.As[eventbus.Inspector](b.EventBus)
	s, err := inspector.Stats(b.k.Context())
	if err != nil {
		b.k.Fatalf("stats: %v", err)
	}
	for i := range s.Subscribers {
		if s.Subscribers[i].Subscriber == subscriber {
			return s, s.Subscribers[i]
		}
	}
	return s, eventbus.SubscriberStats{}
}

// script is what a recorder does with an event.
type script func(ctx context.Context, e eventbus.DomainEvent) error
