package bustest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var steering = []test{
	{
		name:    "Retry/Permanent",
		promise: "A permanent error buries the event at once, also when it is wrapped.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, func(_ context.Context, e eventbus.DomainEvent) error {
				if e.ID == "a-1" {
					return fmt.Errorf("charge the card: %w", eventbus.Permanent(errTest))
				}
				return nil
			})
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "attempts", got.tried(2), []string{"a-1", "a-2"})
			letter := bus.letters().one()
			equal(k, "letter", []string{letter.EventID, string(letter.Reason), fmt.Sprint(letter.Attempts)}, []string{"a-1", string(dlq.HandlerError), "1"})
		},
	},
	{
		name:    "Retry/After",
		promise: "RetryAfter sets the wait before the next attempt, and adds none to those that the policy has.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			u := k.unit()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				return eventbus.RetryAfter(errTest, time.Duration(5*attemptOf(ctx))*u)
			})
			bus.publish(order("a", 1))
			waits(k, got, 5*u, 10*u)
			equal(k, "attempts in the letter", bus.letters().one().Attempts, 3)
			equal(k, "attempts", got.tried(3), []string{"a-1", "a-1", "a-1"})
		},
	},
	{
		name:    "Retry/AfterUnordered",
		promise: "An unordered subscriber waits as long as RetryAfter says, however long the bus holds events.",
		run: func(k *kit) {
			u := k.unit()
			bus, got := k.running(eventbus.Options{Hold: 2 * u}, eventbus.Subscriber{Unordered: true}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				if attemptOf(ctx) == 1 {
					return eventbus.RetryAfter(errTest, 10*u)
				}
				return nil
			})
			bus.publish(order("a", 1))
			waits(k, got, 10*u)
		},
	},
	{
		name:    "Retry/AfterAtMostHold",
		promise: "An ordered subscriber holds an event no longer than Options.Hold: a longer RetryAfter is cut to it, which is observed.",
		run: func(k *kit) {
			w, hold := k.witness(), 4*k.unit()
			s := eventbus.Subscriber{Retry: k.retry(2)}
			bus, got := k.running(eventbus.Options{Hold: hold, Observer: w.observer()}, s, always(eventbus.RetryAfter(errTest, time.Hour)))
			bus.publish(order("a", 1), order("a", 2))
			told := w.retried.wait(1)[0]
			if !told.Clamped || told.Delay > hold {
				k.Errorf("observed a retry after %v, clamped: %v; want at most %v and clamped", told.Delay, told.Clamped, hold)
			}
			waits(k, got, told.Delay)
			equal(k, "attempts", got.tried(4), []string{"a-1", "a-1", "a-2", "a-2"})
		},
	},
	{
		name:    "Retry/Suspend",
		promise: "Suspend pauses the subscriber and counts no attempt; other subscribers go on.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			down := newTrail[time.Time](k, "suspensions")
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{Concurrency: 1, Retry: k.retry(1)}, func(_ context.Context, e eventbus.DomainEvent) error {
				if len(down.now()) == 0 {
					down.add(time.Now())
					return eventbus.Suspend(errTest, 3*k.unit())
				}
				return nil
			})
			other := bus.handle(eventbus.Subscriber{Name: "other"}, nil)
			bus.publish(orders(3, 1)...)
			bus.start()
			inOrder(k, other.handled(3), orders(3, 1))
			inOrder(k, got.handled(3), orders(3, 1))
			attempts := got.ended.now()
			equal(k, "calls", len(attempts), 4)
			k.took("the pause", attempts[1].began.Sub(attempts[0].over), 3*k.unit())
			for _, a := range attempts {
				equal(k, "attempt at "+a.event.ID, a.delivery.Attempt, 1)
			}
			equal(k, "letters", bus.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Retry/SuspendAgain",
		promise: "A subscriber may be suspended as often as its dependency is down, and the event is handled when it is back.",
		run: func(k *kit) {
			calls := newTrail[int](k, "calls")
			s := eventbus.Subscriber{Concurrency: 1, Retry: k.retry(2)}
			bus, got := k.running(eventbus.Options{}, s, func(ctx context.Context, _ eventbus.DomainEvent) error {
				calls.add(attemptOf(ctx))
				if len(calls.now()) <= 10 {
					return eventbus.Suspend(errTest, k.unit())
				}
				return nil
			})
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(1), []string{"a-1"})
			equal(k, "attempts told", calls.now(), []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
		},
	},
	{
		name:    "Retry/Expired",
		promise: "An event that has expired is not handled but buried as expired.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(order("a", 1).WithExpiry(time.Now().Add(-time.Minute)), order("a", 2).WithExpiry(time.Now().Add(100*time.Hour)), order("a", 3))
			equal(k, "events handled", got.handled(2), []string{"a-2", "a-3"})
			letter := bus.letters().one()
			equal(k, "letter", []string{letter.EventID, string(letter.Reason), fmt.Sprint(letter.Attempts)}, []string{"a-1", string(dlq.Expired), "0"})
		},
	},
	{
		name:    "Retry/ExpiresWhileWaiting",
		promise: "An event that expires while it waits for another attempt gets none.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, func(_ context.Context, e eventbus.DomainEvent) error {
				if e.Expires.IsZero() {
					return nil
				}
				return eventbus.RetryAfter(errTest, time.Until(e.Expires)+k.unit())
			})
			bus.publish(order("a", 1).WithExpiry(time.Now().Add(k.long()/4)), order("a", 2))
			equal(k, "attempts", got.tried(2), []string{"a-1", "a-2"})
			letter := bus.letters().one()
			equal(k, "letter", []string{letter.EventID, string(letter.Reason), fmt.Sprint(letter.Attempts)}, []string{"a-1", string(dlq.Expired), "1"})
		},
	},
}
