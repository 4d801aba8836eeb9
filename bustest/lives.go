package bustest

import (
	"context"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var lives = []test{
	{
		name:    "Receive/SlowIsAlive",
		promise: "A slow handler whose process lives is not taken over by another instance.",
		needs:   []part{hasInspector},
		run: func(k *kit) {
			slow := 4 * max(k.backend.Lease, k.unit())
			began := newTrail[string](k, "attempts begun by both instances")
			script := func(_ context.Context, e eventbus.DomainEvent) error {
				began.add(e.ID)
				if e.AggregateID == "slow" {
					k.pass(slow)
				}
				return nil
			}
			one, first := k.running(eventbus.Options{}, eventbus.Subscriber{}, script)
			other, second := k.running(eventbus.Options{}, eventbus.Subscriber{}, script)
			one.publish(order("slow", 1))
			k.soon("it is acknowledged, or begun again", func() bool {
				_, a := one.stats("worker")
				_, b := other.stats("worker")
				return a.Acked+b.Acked > 0 || len(began.now()) > 1
			})
			equal(k, "attempts begun by both instances", began.now(), []string{"slow-1"})
			one.publish(order("next", 1))
			k.soon("the next one is handled", func() bool { return len(first.good.now())+len(second.good.now()) > 1 })
			equal(k, "attempts begun by both instances", began.now(), []string{"slow-1", "next-1"})
		},
	},
	{
		name:    "Receive/OwnPendingFirst",
		promise: "An instance that comes back under its name handles first what it left.",
		needs:   []part{canName, canCrash},
		run: func(k *kit) {
			dying := k.gate()
			victim := k.openAs("one")
			got := victim.handle(eventbus.Subscriber{}, func(context.Context, eventbus.DomainEvent) error { return dying.stuck() })
			victim.start()
			victim.publish(order("a", 1), order("a", 2))
			got.began.wait(1)
			victim.crash()
			k.open(eventbus.Options{}).publish(order("a", 3))
			back := k.openAs("one")
			again := back.handle(eventbus.Subscriber{}, nil)
			back.start()
			equal(k, "events handled", again.handled(3), []string{"a-1", "a-2", "a-3"})
			equal(k, "attempt at what was left", again.good.now()[0].delivery.Attempt, 1)
		},
	},
	{
		name:    "Backend/Durable",
		promise: "What Publish has accepted survives the end of all processes that use a backend which declares Durable, and so do groups and dead letters.",
		needs:   []part{durable, canCrash, hasLetters},
		run: func(k *kit) {
			refuse := func(_ context.Context, e eventbus.DomainEvent) error {
				if e.ID == "bad-1" {
					return eventbus.Permanent(errTest)
				}
				return nil
			}
			founder, _ := k.running(eventbus.Options{}, eventbus.Subscriber{}, refuse)
			founder.publish(order("bad", 1))
			letter := founder.letters().one()
			founder.crash()
			publisher := k.open(eventbus.Options{})
			publisher.publish(orders(3, 3)...)
			publisher.crash()
			next, got := k.running(eventbus.Options{}, eventbus.Subscriber{From: eventbus.Now()}, refuse)
			inOrder(k, got.handled(9), orders(3, 3))
			equal(k, "letters", letterIDs(next.letters().list(dlq.Filter{})), []string{letter.ID})
		},
	},
}
