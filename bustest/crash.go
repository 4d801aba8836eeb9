package bustest

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var crashes = []test{
	{
		name:    "Crash/Redelivered",
		promise: "What an instance was handling when it died is handled by another one, without anybody's help, as its first attempt.",
		needs:   []part{canCrash, hasLetters},
		run: func(k *kit) {
			dying := k.gate()
			s := eventbus.Subscriber{Retry: k.retry(1)}
			victim, got := k.running(eventbus.Options{}, s, func(context.Context, eventbus.DomainEvent) error { return dying.stuck() })
			victim.publish(order("a", 1), order("a", 2), order("b", 1))
			got.began.wait(2)
			survivor, again := k.running(eventbus.Options{}, s, nil)
			victim.crash()
			inOrder(k, again.handled(3), []eventbus.DomainEvent{order("a", 1), order("a", 2), order("b", 1)})
			for _, a := range again.good.now() {
				equal(k, "attempt at "+a.event.ID, a.delivery.Attempt, 1)
			}
			equal(k, "letters", survivor.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Crash/LosesNothing",
		promise: "However many instances die in the middle of their work, every event is handled in the end.",
		needs:   []part{canCrash},
		run: func(k *kit) {
			handled := newTrail[string](k, "events handled")
			all := orders(10, 20)
			for batch := range slices.Chunk(all, 50) {
				dying, calls := k.gate(), new(atomic.Int32)
				bus, _ := k.running(eventbus.Options{Window: 16}, eventbus.Subscriber{Concurrency: 4}, func(_ context.Context, e eventbus.DomainEvent) error {
					if calls.Add(1) > 10 {
						return dying.stuck()
					}
					handled.add(e.ID)
					return nil
				})
				bus.publish(batch...)
				k.soon("the instance is in the middle of its work", func() bool { return calls.Load() > 10 })
				bus.crash()
			}
			_, rest := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			done := func() []string {
				ids := sorted(append(handled.now(), idsOf(rest.good.now())...))
				return slices.Compact(ids)
			}
			k.soon("all events are handled", func() bool { return len(done()) == len(all) })
			equal(k, "events handled, sorted", done(), sorted(ids(all)))
		},
	},
	{
		name:    "Crash/KeepsHeldRetries",
		promise: "An event that waits for another attempt in an instance that dies is handled by another one.",
		needs:   []part{canCrash},
		run: func(k *kit) {
			victim, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, always(eventbus.RetryAfter(errTest, k.long())))
			victim.publish(order("a", 1), order("a", 2))
			got.ended.wait(1)
			k.calm()
			victim.crash()
			_, again := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			equal(k, "events handled", again.handled(2), []string{"a-1", "a-2"})
		},
	},
	{
		name:    "Crash/KeepsUnorderedRetries",
		promise: "A retry of an unordered subscriber outlives the death of the instance, with its time and its count of attempts.",
		needs:   []part{canCrash, hasInspector},
		run: func(k *kit) {
			s := eventbus.Subscriber{Unordered: true}
			victim, got := k.running(eventbus.Options{}, s, always(eventbus.RetryAfter(errTest, 10*k.unit())))
			victim.publish(order("a", 1))
			failed := got.ended.wait(1)[0]
			k.soon("the event is sent again", func() bool { _, st := victim.stats("worker"); return st.Moved == 1 })
			victim.crash()
			_, again := k.running(eventbus.Options{}, s, nil)
			second := func(a attempt) bool { return a.delivery.Attempt == 2 }
			k.soon("the second attempt comes", func() bool { return slices.ContainsFunc(again.good.now(), second) })
			all := again.good.now()
			k.took("the wait", all[slices.IndexFunc(all, second)].began.Sub(failed.over), 10*k.unit())
		},
	},
	{
		name:    "Crash/AcknowledgedIsOver",
		promise: "What the counters call acknowledged is not handed over again, even if the instance dies at that moment.",
		needs:   []part{canCrash, hasInspector},
		run: func(k *kit) {
			victim, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			victim.publish(orders(5, 4)...)
			got.good.wait(20)
			k.soon("all are acknowledged", func() bool { _, st := victim.stats("worker"); return st.Acked == 20 })
			victim.crash()
			next, rest := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			next.publish(orders(5, 5)[20:]...)
			equal(k, "events handled by the next instance, sorted", sorted(rest.handled(5)), sorted(ids(orders(5, 5)[20:])))
		},
	},
	{
		name:    "Crash/Loop",
		promise: "An event that kills its process again and again is buried as crashed after 10 times; its neighbours are handled and never charged.",
		needs:   []part{canCrash, hasLetters},
		run:     crashLoop,
	},
}

// crashLoop lets instance after instance die of one event, which runs alone, until
// that is buried.
func crashLoop(k *kit) {
	neighbours := orders(3, 2)
	handled, deaths := newTrail[attempt](k, "neighbours handled"), 0
	bus, got := dyingOf(k, "poison-1", handled)
	bus.publish(slices.Concat(neighbours[:3], story("poison", 1), neighbours[3:])...)
	for q := bus.letters(); ; deaths++ {
		k.soon("the event runs again, or is buried", func() bool {
			return slices.Contains(idsOf(got.began.now()), "poison-1") || q.count(dlq.Filter{}) > 0
		})
		if q.count(dlq.Filter{}) > 0 {
			break
		}
		if deaths == 15 {
			k.Fatalf("%d processes have died of one event, and it is still not buried", deaths)
		}
		bus.crash()
		bus, got = dyingOf(k, "poison-1", handled)
		q = bus.letters()
	}
	letter := bus.letters().one()
	equal(k, "letter", []string{letter.EventID, string(letter.Reason)}, []string{"poison-1", string(dlq.Crashed)})
	equal(k, "crashes and attempts in the letter", []int{letter.Crashes, letter.Attempts}, []int{10, 0})
	if deaths < 10 || deaths > 12 {
		k.Errorf("the event was buried after %d deaths", deaths)
	}
	bus.publish(order("poison", 2))
	k.soon("all neighbours are handled", func() bool { return len(slices.Compact(sorted(idsOf(handled.now())))) == 7 })
	for _, a := range handled.now() {
		equal(k, "attempt at "+a.event.ID, a.delivery.Attempt, 1)
	}
	equal(k, "letters", bus.letters().count(dlq.Filter{}), 1)
}

// dyingOf runs an instance in which one event never comes to an end.
func dyingOf(k *kit, id string, handled *trail[attempt]) (*bus, *recorder) {
	k.Helper()
	deadly := k.gate()
	s := eventbus.Subscriber{Concurrency: 1, Retry: k.retry(1)}
	return k.running(eventbus.Options{}, s, func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.ID == id {
			return deadly.stuck()
		}
		d, _ := eventbus.DeliveryOf(ctx)
		handled.add(attempt{event: e, delivery: d})
		return nil
	})
}
