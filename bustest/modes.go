package bustest

import (
	"context"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var modes = []test{
	{
		name:    "Letters/Dropped",
		promise: "With DropLetters what is given up is observed and counted, and not kept; later events go on.",
		needs:   []part{hasLetters, hasInspector},
		run: func(k *kit) {
			w := k.witness()
			o := eventbus.Options{DeadLetters: eventbus.DropLetters, Observer: w.observer()}
			bus, got := k.running(o, eventbus.Subscriber{}, failing("a-1"))
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "attempts", got.tried(4), []string{"a-1", "a-1", "a-1", "a-2"})
			told := w.buried.wait(1)[0]
			equal(k, "burial observed", []string{told.Event.ID, told.Reason, told.LetterID}, []string{"a-1", string(dlq.HandlerError), ""})
			equal(k, "letters", bus.letters().count(dlq.Filter{}), 0)
			k.soon("both are counted", func() bool { _, s := bus.stats("worker"); return s.Buried == 1 && s.Handled == 1 })
		},
	},
	{
		name:    "Letters/Blocked",
		promise: "With BlockLetters an event is never given up: it is tried again at the longest wait, its aggregate waits, and others go on.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			u := k.unit()
			s := eventbus.Subscriber{Retry: eventbus.RetryPolicy{Attempts: 2, Min: u, Max: 3 * u, Jitter: -1}}
			script, mend := until("a-1")
			bus, got := k.running(eventbus.Options{DeadLetters: eventbus.BlockLetters}, s, script)
			others := bus.handle(eventbus.Subscriber{Name: "others"}, nil)
			bus.publish(order("a", 1), order("a", 2))
			between(k, got.ended.wait(6), u, 3*u, 3*u, 3*u, 3*u)
			bus.publish(order("b", 1))
			equal(k, "events handled", got.handled(1), []string{"b-1"})
			equal(k, "events handled by another subscriber, sorted", sorted(others.handled(3)), []string{"a-1", "a-2", "b-1"})
			mend()
			equal(k, "events handled", got.handled(3), []string{"b-1", "a-1", "a-2"})
			equal(k, "letters", bus.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Letters/BlockedPermanently",
		promise: "With BlockLetters even a permanent error is tried again, until the handler is mended.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{DeadLetters: eventbus.BlockLetters}, eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				if attemptOf(ctx) <= 4 {
					return eventbus.Permanent(errTest)
				}
				return nil
			})
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(1), []string{"a-1"})
			equal(k, "attempts", len(got.ended.now()), 5)
			equal(k, "letters", bus.letters().count(dlq.Filter{}), 0)
		},
	},
}
