package bustest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
)

var receiving = []test{
	{
		name:    "Receive/Patterns",
		promise: "A subscriber is handed the events whose types match one of its patterns, each once, and no others.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := map[string]*recorder{}
			want := map[string][]string{
				"order.created": {"a-1", "a-3"},
				"order.*":       {"a-1", "a-2", "a-3"},
				"*.created":     {"a-1", "a-3", "invoice-a-1"},
				"#":             {"a-1", "a-2", "a-3", "invoice-a-1"},
				"order.#":       {"a-1", "a-2", "a-3"},
				"*":             {},
			}
			for i, pattern := range sortedKeys(want) {
				got[pattern] = bus.handle(eventbus.Subscriber{Name: string(rune('a' + i)), Events: []string{pattern}}, nil)
			}
			bus.start()
			bus.publish(order("a", 1), shipped("a", 2), invoice("a", 1), order("a", 3))
			got["#"].handled(4)
			for pattern, r := range got {
				equal(k, "events handled for "+pattern, sorted(r.handled(len(want[pattern]))), want[pattern])
			}
		},
	},
	{
		name:    "Receive/OverlappingPatterns",
		promise: "An event that several patterns of one subscriber select is handed to it once.",
		run: func(k *kit) {
			all := eventbus.Subscriber{Events: []string{"order.created", "order.*", "#", "order.created"}}
			bus, got := k.running(eventbus.Options{}, all, nil)
			bus.publish(orders(1, 10)...)
			equal(k, "events handled", got.handled(10), ids(orders(1, 10)))
		},
	},
	{
		name:    "Receive/TwoGroups",
		promise: "Every subscriber gets every event, whether it is of the same service or another, in the same process or another.",
		run: func(k *kit) {
			one := k.open(eventbus.Options{})
			got := []*recorder{
				one.handle(eventbus.Subscriber{Name: "mailer"}, nil),
				one.handle(eventbus.Subscriber{Name: "biller"}, nil),
				one.handle(eventbus.Subscriber{Name: "mailer", Group: "other-service"}, nil),
			}
			other := k.open(eventbus.Options{Group: "third-service"})
			got = append(got, other.handle(eventbus.Subscriber{Name: "mailer"}, nil))
			one.start()
			other.start()
			one.publish(orders(5, 10)...)
			for _, r := range got {
				inOrder(k, r.handled(50), orders(5, 10))
			}
		},
	},
	{
		name:    "Receive/SharedWork",
		promise: "The instances of a subscriber share its events: each is handled by one of them, and each of them works.",
		run: func(k *kit) {
			var got [2]*recorder
			var working atomic.Int32
			both := k.gate()
			for i := range got {
				var first sync.Once
				bus := k.open(eventbus.Options{Window: 4})
				got[i] = bus.handle(eventbus.Subscriber{Concurrency: 1}, func(ctx context.Context, _ eventbus.DomainEvent) (err error) {
					first.Do(func() { // nobody goes on before both are at work
						if working.Add(1) == 2 {
							both.open()
						}
						err = both.wait(ctx)
					})
					return err
				})
				bus.start()
			}
			k.buses[0].publish(orders(40, 5)...)
			handled := func() []string { return append(idsOf(got[0].good.now()), idsOf(got[1].good.now())...) }
			k.soon("all events are handled", func() bool { return len(handled()) >= 200 })
			k.calm()
			equal(k, "events handled by both, sorted", sorted(handled()), sorted(ids(orders(40, 5))))
		},
	},
	{
		name:    "Receive/LaterTopics",
		promise: "A wildcard finds aggregate types that are published for the first time after the bus has started.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Events: []string{"*.created"}}, nil)
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(1), []string{"a-1"})
			bus.publish(invoice("a", 1))
			equal(k, "events handled", got.handled(2), []string{"a-1", "invoice-a-1"})
		},
	},
	{
		name:    "Receive/GroupCollects",
		promise: "Once Subscribe has returned, the group collects events also while no instance of it runs.",
		run: func(k *kit) {
			gone := k.open(eventbus.Options{})
			gone.handle(eventbus.Subscriber{}, nil)
			gone.shutdown()
			k.open(eventbus.Options{}).publish(orders(3, 3)...)
			_, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			inOrder(k, got.handled(9), orders(3, 3))
		},
	},
	{
		name:    "Receive/FromBeginning",
		promise: "A new group starts with the oldest event that is retained, unless it says otherwise.",
		needs:   []part{retains},
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bus.publish(orders(2, 3)...)
			got := bus.handle(eventbus.Subscriber{}, nil)
			bus.start()
			inOrder(k, got.handled(6), orders(2, 3))
		},
	},
	{
		name:    "Receive/FromNowOrTime",
		promise: "A new group can start with the first event published after Subscribe, or at a given time.",
		needs:   []part{retains},
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bus.publish(order("a", 1))
			k.pass(2 * k.unit())
			since := time.Now()
			k.pass(2 * k.unit())
			bus.publish(order("a", 2))
			now := bus.handle(eventbus.Subscriber{Name: "now", From: eventbus.Now()}, nil)
			at := bus.handle(eventbus.Subscriber{Name: "at", From: eventbus.At(since)}, nil)
			bus.start()
			bus.publish(order("a", 3))
			equal(k, "events from now on", now.handled(1), []string{"a-3"})
			equal(k, "events from the given time on", at.handled(2), []string{"a-2", "a-3"})
		},
	},
	{
		name:    "Receive/FromFirst",
		promise: "Where nothing is retained, a new group starts with the first event published after Subscribe.",
		needs:   []part{forgets},
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bus.publish(order("a", 1))
			got := bus.handle(eventbus.Subscriber{}, nil)
			bus.start()
			bus.publish(order("a", 2))
			equal(k, "events handled", got.handled(1), []string{"a-2"})
		},
	},
	{
		name:    "Receive/SecondTimeItsPosition",
		promise: "Where a group starts is settled when it is new: a subscriber that comes back goes on where it was.",
		run: func(k *kit) {
			first, got := k.running(eventbus.Options{}, eventbus.Subscriber{From: eventbus.Now()}, nil)
			first.publish(order("a", 1))
			equal(k, "events handled at first", got.handled(1), []string{"a-1"})
			first.shutdown()
			k.open(eventbus.Options{}).publish(order("a", 2))
			_, again := k.running(eventbus.Options{}, eventbus.Subscriber{From: eventbus.Now()}, nil)
			equal(k, "events handled afterwards", again.handled(1), []string{"a-2"})
		},
	},
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
