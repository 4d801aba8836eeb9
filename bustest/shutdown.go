package bustest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var shutdown = []test{
	{
		name:    "Shutdown/Idempotent",
		promise: "Shutting down again, also from many goroutines at once, does nothing and is no error.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(orders(2, 5)...)
			got.good.wait(1)
			k.together("every Shutdown", 32, func(int) { k.is("shut down", bus.Shutdown(k.Context()), nil) })
			k.is("shut down again", bus.shutdownWithin(k.backend.Patience), nil)
		},
	},
	{
		name:    "Shutdown/BeforeStart",
		promise: "A bus that was never started is shut down like any other, and handles nothing; what it was sent stays.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, nil)
			bus.publish(orders(2, 5)...)
			bus.shutdown()
			_, next := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			inOrder(k, next.handled(10), orders(2, 5))
			equal(k, "attempts on the first bus", len(got.began.now()), 0)
		},
	},
	{
		name:    "Shutdown/Closed",
		promise: "After Shutdown everything is refused with ErrClosed.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bus.shutdown()
			k.is("publish", bus.Publish(k.Context(), order("a", 1)), eventbus.ErrClosed)
			_, err := bus.Subscribe(k.Context(), bus.filled(eventbus.Subscriber{Handler: k.recorder(nil)}))
			k.is("subscribe", err, eventbus.ErrClosed)
			k.is("start", bus.Start(k.Context()), eventbus.ErrClosed)
		},
	},
	{
		name:    "Shutdown/IdleIsQuick",
		promise: "An idle bus is shut down at once.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(orders(2, 5)...)
			got.handled(10)
			k.quick("shutting down", bus.shutdown())
		},
	},
	{
		name:    "Shutdown/LetsHandlersFinish",
		promise: "Shutdown lets running handlers finish, which may still publish, and acknowledges what they handled.",
		run: func(k *kit) {
			busy := k.gate()
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{Concurrency: 1}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				return errors.Join(busy.wait(ctx), bus.Publish(ctx, order("follow-up", 1)))
			})
			bus.start()
			bus.publish(order("a", 1), order("a", 2))
			got.began.wait(1)
			over := k.going(func() { k.is("shut down", bus.shutdownWithin(k.backend.Patience), nil) })
			bus.closing()
			busy.open()
			k.await("Shutdown returns", over)
			equal(k, "events handled by the first bus", got.handled(1), []string{"a-1"})
			_, next := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			equal(k, "events handled by the next one, sorted", sorted(next.handled(2)), []string{"a-2", "follow-up-1"})
		},
	},
	{
		name:    "Shutdown/GivesBackInOrder",
		promise: "What was received and not started is given back at once and in order: the next instance handles it, nothing twice.",
		run: func(k *kit) {
			busy := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: 1}, func(ctx context.Context, _ eventbus.DomainEvent) error { return busy.wait(ctx) })
			bus.publish(orders(5, 20)...)
			got.began.wait(1)
			over := k.going(func() { k.is("shut down", bus.shutdownWithin(k.backend.Patience), nil) })
			bus.closing()
			busy.open()
			k.await("Shutdown returns", over)
			_, next := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			done := idsOf(got.good.now())
			inOrder(k, append(done, next.handled(100-len(done))...), orders(5, 20))
		},
	},
	{
		name:    "Shutdown/WaitsForNoRetry",
		promise: "Shutdown waits for no retry: the event is given back, not buried, and the next instance counts on where this one ended.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			s := eventbus.Subscriber{Retry: k.retry(2)}
			bus, got := k.running(eventbus.Options{}, s, always(eventbus.RetryAfter(errTest, k.long())))
			bus.publish(order("a", 1), order("a", 2))
			got.ended.wait(1)
			k.calm()
			k.quick("shutting down", bus.shutdown())
			next, again := k.running(eventbus.Options{}, s, nil)
			equal(k, "events handled", again.handled(2), []string{"a-1", "a-2"})
			equal(k, "attempt", again.good.now()[0].delivery.Attempt, 2)
			equal(k, "letters", next.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Shutdown/ManyRestarts",
		promise: "However often a service is restarted in good order while an event is retried, its attempts count on and no crash is charged.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			const restarts = 12
			s := eventbus.Subscriber{Retry: k.retry(restarts + 1)}
			for n := range restarts {
				bus, got := k.running(eventbus.Options{}, s, always(eventbus.RetryAfter(errTest, k.long())))
				if n == 0 {
					bus.publish(order("a", 1))
				}
				equal(k, "attempt", got.ended.wait(1)[0].delivery.Attempt, n+1)
				k.calm()
				bus.shutdown()
			}
			bus, got := k.running(eventbus.Options{}, s, always(errTest))
			equal(k, "attempt", got.ended.wait(1)[0].delivery.Attempt, restarts+1)
			letter := bus.letters().one()
			equal(k, "reason", letter.Reason, dlq.HandlerError)
			equal(k, "attempts and crashes in the letter", []int{letter.Attempts, letter.Crashes}, []int{restarts + 1, 0})
		},
	},
	{
		name:    "Shutdown/KeepsUnorderedRetries",
		promise: "A retry of an unordered subscriber waits in the backend: it outlives the instance, with its count of attempts.",
		run: func(k *kit) {
			s := eventbus.Subscriber{Unordered: true}
			bus, got := k.running(eventbus.Options{}, s, always(eventbus.RetryAfter(errTest, 20*k.unit())))
			bus.publish(order("a", 1))
			got.ended.wait(1)
			k.calm()
			k.quick("shutting down", bus.shutdown())
			_, again := k.running(eventbus.Options{}, s, nil)
			equal(k, "events handled", again.handled(1), []string{"a-1"})
			second := again.good.now()[0]
			equal(k, "attempt", second.delivery.Attempt, 2)
			k.took("the wait", second.began.Sub(got.ended.now()[0].over), 20*k.unit())
		},
	},
	{
		name:    "Shutdown/FromAHandler",
		promise: "Shutdown from inside a handler is refused, since it would wait for itself; the bus goes on.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				if bus.EventBus.Shutdown(ctx) == nil {
					k.Errorf("Shutdown in a handler returned no error")
				}
				return nil
			})
			bus.start()
			bus.publish(orders(1, 3)...)
			equal(k, "events handled", got.handled(3), ids(orders(1, 3)))
		},
	},
	{
		name:    "Shutdown/LeavesNothingRunning",
		promise: "When Shutdown has returned, no goroutine of the bus is left.",
		alone:   true,
		run: func(k *kit) {
			const rounds = 10
			before := runtime.NumGoroutine()
			for range rounds {
				bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, failingFirst(1, "a0-1"))
				bus.handle(eventbus.Subscriber{Name: "second", Unordered: true}, failingFirst(1, "a1-1"))
				bus.publish(orders(4, 5)...)
				got.good.wait(10)
				bus.shutdown()
			}
			if k.backend.Virtual {
				return // a bubble does not end before its goroutines have
			}
			// The runtime has a few of its own; what a bus leaves behind, every bus does.
			k.soon("there are no more goroutines than before", func() bool { return runtime.NumGoroutine() < before+rounds })
		},
	},
	{
		name:    "Shutdown/AtAnyMoment",
		promise: "Start, Stop, Shutdown, Publish and Subscribe may meet at any moment without a panic, a deadlock or a loss.",
		run: func(k *kit) {
			const rounds = 30
			for round := range rounds {
				everythingAtOnce(k, round)
			}
			bus, rest := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(order("last", 1))
			k.soon("the last event is handled", func() bool { return slices.Contains(idsOf(rest.good.now()), "last-1") })
		},
	},
}

// everythingAtOnce lets all that begins or ends a bus run at once.
func everythingAtOnce(k *kit, round int) {
	k.Helper()
	bus := k.open(eventbus.Options{})
	sub := bus.subscribe(eventbus.Subscriber{Handler: k.recorder(nil)})
	allowed := []error{nil, eventbus.ErrClosed, eventbus.ErrStarted, eventbus.ErrDuplicate}
	calls := []func() error{
		func() error { return bus.Start(k.Context()) },
		func() error { return bus.Publish(k.Context(), order("x", round)) },
		func() error { return sub.Stop(k.Context()) },
		func() error { return sub.Stop(k.Context()) },
		func() error { return bus.EventBus.Shutdown(k.Context()) },
		func() error { return bus.EventBus.Shutdown(k.Context()) },
		func() error { sub.Pause(); sub.Resume(); return sub.Err() },
		func() error {
			_, err := bus.Subscribe(k.Context(), bus.filled(eventbus.Subscriber{Name: "late", Handler: k.recorder(nil)}))
			return err
		},
	}
	var begin sync.WaitGroup
	begin.Add(len(calls))
	k.together("everything at once", len(calls), func(i int) {
		begin.Done()
		begin.Wait()
		if err := calls[(i+round)%len(calls)](); !slices.ContainsFunc(allowed, func(a error) bool { return errors.Is(err, a) }) {
			k.Errorf("call %d in round %d: %v", (i+round)%len(calls), round, err)
		}
	})
	bus.shutdown()
	k.await("the subscription ends", sub.Done())
}
