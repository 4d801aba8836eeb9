package bustest

import (
	"context"

	"github.com/seed-28af575d/eventbus"
)

var pressure = []test{
	{
		name:    "Pressure/PublishToItself",
		promise: "A handler may publish to its own subscriber as much as it likes, without a deadlock, however small the window is.",
		run: func(k *kit) {
			n := k.many(2000)
			bus := k.open(eventbus.Options{Window: 1})
			got := bus.handle(eventbus.Subscriber{Concurrency: 1}, func(ctx context.Context, e eventbus.DomainEvent) error {
				switch e.AggregateID {
				case "seed": // many at once
					return bus.Publish(ctx, story("child", n)...)
				case "child": // and each of them one more
					return bus.Publish(ctx, order("of-"+e.ID, 1))
				}
				return nil
			})
			bus.start()
			bus.publish(order("seed", 1))
			equal(k, "events handled", len(got.handled(2*n+1)), 2*n+1)
		},
	},
	{
		name:    "Pressure/Chain",
		promise: "A chain of events of one aggregate, each published while the one before is handled, comes to its end in order.",
		run: func(k *kit) {
			n := k.many(2000)
			bus, got := k.open(eventbus.Options{Window: 1}), k.recorder(nil)
			bus.subscribe(eventbus.Subscriber{Handler: eventbus.On(func(ctx context.Context, e eventbus.Event[orderCreated]) error {
				if next := e.Payload.Number + 1; next <= n {
					if err := bus.Publish(ctx, order("a", next).CausedBy(e.DomainEvent)); err != nil {
						return err
					}
				}
				return got.Handle(ctx, e.DomainEvent)
			})})
			bus.start()
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(n), ids(story("a", n)))
		},
	},
	{
		name:    "Pressure/Window",
		promise: "Not more deliveries of a source are under way or held than the window allows; the others wait in the backend.",
		run: func(k *kit) {
			most := 4 * max(k.backend.Sources, 1)
			busy := k.gate()
			s := eventbus.Subscriber{Concurrency: 16}
			bus, got := k.running(eventbus.Options{Window: 4}, s, func(ctx context.Context, _ eventbus.DomainEvent) error { return busy.wait(ctx) })
			other := bus.handle(eventbus.Subscriber{Name: "other"}, nil)
			bus.publish(orders(40, 1)...)
			got.began.wait(4)
			inOrder(k, other.handled(40), orders(40, 1))
			if n := len(got.began.now()); n < 4 || n > most {
				k.Errorf("%d handlers began; the windows of all sources allow %d", n, most)
			}
			busy.open()
			inOrder(k, got.handled(40), orders(40, 1))
		},
	},
	{
		name:    "Pressure/SlowConsumer",
		promise: "A consumer that falls behind loses nothing and gets everything in order.",
		run: func(k *kit) {
			n, slow := k.many(5000), k.gate()
			s := eventbus.Subscriber{Concurrency: 2}
			bus, got := k.running(eventbus.Options{Window: 8}, s, func(ctx context.Context, _ eventbus.DomainEvent) error { return slow.wait(ctx) })
			all := orders(10, n/10)
			for i := range 10 {
				bus.publish(all[i*n/10 : (i+1)*n/10]...)
			}
			slow.open()
			inOrder(k, got.handled(n), all)
		},
	},
}
