package bustest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var retrying = []test{
	delays("Retry/Delays", "Failed attempts are repeated as often as the policy says, after its waits: growing, and at most its longest.", eventbus.Subscriber{}),
	delays("Retry/DelaysUnordered", "An unordered subscriber's attempts are repeated by the same policy.", eventbus.Subscriber{Unordered: true}),
	{
		name:    "Retry/PolicyOfTheBus",
		promise: "A subscriber without a policy is retried by the bus's, exactly.",
		run: func(k *kit) {
			bus, got := k.open(eventbus.Options{Retry: k.retry(3)}), k.recorder(always(errTest))
			if _, err := bus.Subscribe(k.Context(), eventbus.Subscriber{Name: "worker", Events: []string{"#"}, Handler: got}); err != nil {
				k.Fatalf("subscribe: %v", err)
			}
			bus.start()
			bus.publish(order("a", 1))
			waits(k, got, k.unit(), k.unit())
		},
	},
	{
		name:    "Retry/Jitter",
		promise: "Jitter spreads a wait by no more than its fraction.",
		run: func(k *kit) {
			policy := eventbus.RetryPolicy{Attempts: 10, Min: k.unit(), Max: k.unit(), Jitter: 0.5}
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Retry: policy}, always(errTest))
			bus.publish(order("a", 1))
			attempts := got.ended.wait(10)
			for i := range attempts[1:] {
				wait := attempts[i+1].began.Sub(attempts[i].over)
				if wait < k.unit()/2-2*time.Millisecond || k.backend.Virtual && wait > k.unit()*3/2 {
					k.Errorf("the wait was %v, of %v and up to a half more or less", wait, k.unit())
				}
			}
		},
	},
	{
		name:    "Retry/UntilItWorks",
		promise: "An event that an attempt handles at last is done: no further attempt and no letter.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, failingFirst(2, "a-1"))
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "attempts", got.tried(4), []string{"a-1", "a-1", "a-1", "a-2"})
			equal(k, "letters", bus.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Retry/AttemptIsTold",
		promise: "A handler can tell which attempt it is: the first is 1.",
		run: func(k *kit) {
			for _, unordered := range []bool{false, true} {
				bus := k.open(eventbus.Options{Group: fmt.Sprint("unordered-", unordered)})
				got := bus.handle(eventbus.Subscriber{Unordered: unordered, From: eventbus.Now(), Retry: k.retry(4)}, always(errTest))
				bus.start()
				bus.publish(order("a", 1))
				for i, a := range got.ended.wait(4) {
					equal(k, "attempt", a.delivery.Attempt, i+1)
				}
				bus.shutdown()
			}
		},
	},
	{
		name:    "Retry/OneAttempt",
		promise: "With one attempt an event is buried after its first failure.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Retry: k.retry(1)}, failing("a-1"))
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "attempts", got.tried(2), []string{"a-1", "a-2"})
			equal(k, "attempts in the letter", bus.letters().one().Attempts, 1)
		},
	},
	{
		name:    "Retry/OnlyTheFailed",
		promise: "Only the subscriber that failed is retried; those that handled the event are not asked again.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bad := bus.handle(eventbus.Subscriber{Name: "bad"}, failingFirst(2, "a-1"))
			good := bus.handle(eventbus.Subscriber{Name: "good"}, nil)
			unordered := bus.handle(eventbus.Subscriber{Name: "unordered", Unordered: true}, failingFirst(1, "a-1"))
			bus.start()
			bus.publish(order("a", 1))
			equal(k, "attempts of the one that fails", bad.tried(3), []string{"a-1", "a-1", "a-1"})
			equal(k, "attempts of the unordered one that fails", unordered.tried(2), []string{"a-1", "a-1"})
			bus.publish(order("a", 2))
			equal(k, "events handled by the one that fails", bad.handled(2), []string{"a-1", "a-2"})
			equal(k, "attempts of the one that does not", good.tried(2), []string{"a-1", "a-2"})
		},
	},
	{
		name:    "Retry/Middleware",
		promise: "Middleware wraps every attempt, the first of the list outermost.",
		run: func(k *kit) {
			log := newTrail[string](k, "lines")
			wrap := func(name string) eventbus.Middleware {
				return func(next eventbus.Handler) eventbus.Handler {
					return eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
						log.add(fmt.Sprintf("%s before %d", name, attemptOf(ctx)))
						defer log.add(fmt.Sprintf("%s after %d", name, attemptOf(ctx)))
						return next.Handle(ctx, e)
					})
				}
			}
			bus, _ := k.running(eventbus.Options{Middleware: []eventbus.Middleware{wrap("outer"), wrap("inner")}}, eventbus.Subscriber{}, failingFirst(1, "a-1"))
			bus.publish(order("a", 1))
			equal(k, "calls", log.wait(8), []string{
				"outer before 1", "inner before 1", "inner after 1", "outer after 1",
				"outer before 2", "inner before 2", "inner after 2", "outer after 2",
			})
		},
	},
}

// delays makes a case of a policy whose waits are 1, 2, 3 and 3 units.
func delays(name, promise string, s eventbus.Subscriber) test {
	return test{name: name, promise: promise, run: func(k *kit) {
		u := k.unit()
		s.Retry = eventbus.RetryPolicy{Attempts: 5, Min: u, Max: 3 * u, Multiplier: 2, Jitter: -1}
		bus, got := k.running(eventbus.Options{}, s, failing("a-1"))
		bus.publish(order("a", 1))
		waits(k, got, u, 2*u, 3*u, 3*u)
		bus.publish(order("a", 2))
		equal(k, "attempts", got.tried(6), []string{"a-1", "a-1", "a-1", "a-1", "a-1", "a-2"})
	}}
}

// waits fails unless those were the waits between the recorder's attempts.
func waits(k *kit, got *recorder, want ...time.Duration) {
	k.Helper()
	between(k, got.ended.wait(len(want)+1), want...)
}

func between(k *kit, attempts []attempt, want ...time.Duration) {
	k.Helper()
	for i, d := range want {
		k.took(fmt.Sprintf("the wait after attempt %d", i+1), attempts[i+1].began.Sub(attempts[i].over), d)
	}
}
