package bustest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var overruns = []test{
	{
		name:    "Shutdown/Overrun",
		promise: "When the time of Shutdown is up it returns, names the events whose handlers do not, and leaves them to the next instance; all others are done.",
		run: func(k *kit) {
			never := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, func(_ context.Context, e eventbus.DomainEvent) error {
				if strings.HasPrefix(e.AggregateID, "stuck") {
					return never.stuck()
				}
				return nil
			})
			bus.publish(order("stuck1", 1), order("stuck2", 1), order("stuck3", 1))
			bus.publish(orders(10, 10)...)
			inOrder(k, got.handled(100), orders(10, 10))
			begun := time.Now()
			told := as[*eventbus.UnfinishedError](k, "shut down", bus.shutdownWithin(k.unit()))
			if took := time.Since(begun); took < k.unit() || took > k.unit()+k.long()/2 {
				k.Errorf("shutting down with %v took %v", k.unit(), took)
			}
			k.is("shut down", told, eventbus.ErrUnfinished)
			equal(k, "unfinished events, sorted", unfinished(k, told), []string{"stuck1-1", "stuck2-1", "stuck3-1"})
			next, rest := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			next.publish(order("a0", 11))
			equal(k, "events left to the next instance, sorted", sorted(rest.handled(4)), []string{"a0-11", "stuck1-1", "stuck2-1", "stuck3-1"})
		},
	},
	{
		name:    "Shutdown/InterruptedIsNoAttempt",
		promise: "A handler that Shutdown cancels sees why, and what it returns counts as no attempt: the next instance begins with the first.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			causes := newTrail[error](k, "causes")
			s := eventbus.Subscriber{Retry: k.retry(1)}
			bus, got := k.running(eventbus.Options{}, s, func(ctx context.Context, _ eventbus.DomainEvent) error {
				k.stay(ctx)
				causes.add(context.Cause(ctx))
				return errTest
			})
			bus.publish(order("a", 1), order("a", 2))
			got.began.wait(1)
			k.is("shut down", bus.shutdownWithin(k.unit()), eventbus.ErrUnfinished)
			k.is("the cause", causes.wait(1)[0], eventbus.ErrInterrupted)
			next, again := k.running(eventbus.Options{}, s, nil)
			equal(k, "events handled by the next instance", again.handled(2), []string{"a-1", "a-2"})
			equal(k, "attempt", again.good.now()[0].delivery.Attempt, 1)
			equal(k, "letters", next.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Shutdown/InterruptedButDone",
		promise: "An event that was handled, though late, in a Shutdown whose time was up is not lost and not buried.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				k.stay(ctx)
				return nil
			})
			bus.publish(order("a", 1))
			got.began.wait(1)
			if err := bus.shutdownWithin(k.unit()); err != nil && !errors.Is(err, eventbus.ErrUnfinished) {
				k.Errorf("shut down: %v", err)
			}
			next, rest := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			next.publish(order("a", 2))
			k.soon("the next event is handled", func() bool { return slices.Contains(idsOf(rest.good.now()), "a-2") })
			equal(k, "letters", next.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Shutdown/EndedContext",
		promise: "Shutdown with a context that has ended cancels the handlers at once, and still ends the bus.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				k.stay(ctx)
				return ctx.Err()
			})
			bus.publish(order("a", 1))
			got.began.wait(1)
			told := as[*eventbus.UnfinishedError](k, "shut down", bus.shutdownWithin(0))
			equal(k, "unfinished events", unfinished(k, told), []string{"a-1"})
			got.ended.wait(1)
			k.is("publish", bus.Publish(k.Context(), order("a", 2)), eventbus.ErrClosed)
		},
	},
}

// unfinished returns the IDs of the events named, sorted.
func unfinished(k *kit, err *eventbus.UnfinishedError) []string {
	k.Helper()
	var all []string
	for _, u := range err.Handling {
		all = append(all, u.EventID)
		equal(k, "what is unfinished", []string{u.Group, u.Subscriber, u.Type}, []string{k.group(), "worker", "order.created"})
		if u.Since.IsZero() || u.Since.After(time.Now()) {
			k.Errorf("%s is handled since %v", u.EventID, u.Since)
		}
	}
	return sorted(all)
}
