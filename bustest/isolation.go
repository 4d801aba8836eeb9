package bustest

import (
	"context"
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var isolation = []test{
	isolated("Failing", "fails every attempt", func(*kit, *gate) script { return always(errTest) }),
	isolated("Panicking", "panics", func(*kit, *gate) script {
		return func(context.Context, eventbus.DomainEvent) error { panic("isolation") }
	}),
	isolated("Slow", "is slow", func(_ *kit, end *gate) script {
		return func(ctx context.Context, _ eventbus.DomainEvent) error { return end.wait(ctx) }
	}),
	isolated("Stuck", "never returns", func(_ *kit, end *gate) script {
		return func(context.Context, eventbus.DomainEvent) error { return end.stuck() }
	}),
	isolated("Suspended", "is suspended", func(k *kit, _ *gate) script { return always(eventbus.Suspend(errTest, k.unit())) }),
	isolated("Retrying", "is retried for long", func(k *kit, _ *gate) script { return always(eventbus.RetryAfter(errTest, k.long())) }),
	{
		name:    "Isolation/RetriesDoNotLeak",
		promise: "Another service gets each event once, while the first one retries it, buries it and replays it.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			other := k.open(eventbus.Options{Group: "other-service"})
			got := other.handle(eventbus.Subscriber{}, nil)
			other.start()
			bus, bad := k.running(eventbus.Options{}, eventbus.Subscriber{Unordered: true}, failing(ids(orders(2, 2))...))
			bus.publish(orders(2, 2)...)
			q := bus.letters()
			q.wait(4, dlq.Filter{})
			q.replay(dlq.All, dlq.ReplayOptions{})
			bad.ended.wait(24)
			bus.publish(order("a0", 3), order("a1", 3))
			inOrder(k, got.handled(6), orders(2, 3))
		},
	},
}

// isolated makes a case of a subscriber that misbehaves beside others that do not,
// on its bus and on another one.
func isolated(name, what string, misbehave func(k *kit, end *gate) script) test {
	return test{
		name:    "Isolation/" + name,
		promise: "A subscriber that " + what + " affects no other: all events are handled by the others, once and in order.",
		run: func(k *kit) {
			end := k.gate()
			bus := k.open(eventbus.Options{Window: 8})
			bad := bus.handle(eventbus.Subscriber{Name: "bad", Timeout: k.unit()}, misbehave(k, end))
			other := k.open(eventbus.Options{Group: "other-service"})
			good := []*recorder{bus.handle(eventbus.Subscriber{Name: "good"}, nil), other.handle(eventbus.Subscriber{}, nil)}
			bus.start()
			other.start()
			for batch := range slices.Chunk(orders(10, 20), 20) {
				bus.publish(batch...)
			}
			for _, r := range good {
				inOrder(k, r.handled(200), orders(10, 20))
			}
			bad.began.wait(1)
			end.open()
		},
	}
}
