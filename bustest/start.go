package bustest

import (
	"context"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
)

var starting = []test{
	{
		name:    "Open/BadOptions",
		promise: "A bus is not opened with bad options, and everything that is wrong with them is reported at once, by field.",
		run: func(k *kit) {
			_, err := k.space.Open(eventbus.Options{
				Group: "no.dots", Source: strings.Repeat("s", 2000), Retry: eventbus.RetryPolicy{Attempts: -1, Multiplier: 0.5},
				Middleware: []eventbus.Middleware{nil}, PublishTimeout: -1, Hold: -1, Window: -1, MaxBytes: -1, DeadLetters: 9,
			})
			k.is("open", err, eventbus.ErrInvalid)
			k.says("open", err, "group: ", "source: ", "retry.attempts: ", "retry.multiplier: ", "middleware[0]: ",
				"publish_timeout: ", "hold: ", "window: ", "max_bytes: ", "dead_letters: ")
		},
	},
	{
		name:    "Start/NothingBefore",
		promise: "No handler runs before Start.",
		run: func(k *kit) {
			waiting := k.open(eventbus.Options{})
			got := waiting.handle(eventbus.Subscriber{Name: "waiting"}, nil)
			bus, other := k.running(eventbus.Options{}, eventbus.Subscriber{Name: "running"}, nil)
			bus.publish(order("a", 1))
			equal(k, "events handled by the bus that was started", other.handled(1), []string{"a-1"})
			equal(k, "attempts on the bus that was not", len(got.began.now()), 0)
			waiting.start()
			equal(k, "events handled after its start", got.handled(1), []string{"a-1"})
		},
	},
	{
		name:    "Start/Twice",
		promise: "A second Start is refused, and the bus goes on.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			k.is("start again", bus.Start(k.Context()), eventbus.ErrStarted)
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(1), []string{"a-1"})
		},
	},
	{
		name:    "Start/ContextIsOfTheStart",
		promise: "The context of Start bounds only the start: when it ends later, handling goes on.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, nil)
			ctx, cancel := k.within(k.backend.Patience)
			if err := bus.Start(ctx); err != nil {
				k.Fatalf("start: %v", err)
			}
			cancel()
			bus.publish(orders(2, 3)...)
			inOrder(k, got.handled(6), orders(2, 3))
		},
	},
	{
		name:    "Start/SubscribeContextIsOfSubscribe",
		promise: "The contexts of Subscribe and Publish bound only these calls, not what comes of them.",
		run: func(k *kit) {
			bus, r := k.open(eventbus.Options{}), k.recorder(func(ctx context.Context, _ eventbus.DomainEvent) error { return ctx.Err() })
			ctx, cancel := k.within(k.backend.Patience)
			if _, err := bus.Subscribe(ctx, bus.filled(eventbus.Subscriber{Handler: r})); err != nil {
				k.Fatalf("subscribe: %v", err)
			}
			if err := bus.Publish(ctx, order("a", 1)); err != nil {
				k.Fatalf("publish: %v", err)
			}
			cancel()
			bus.start()
			equal(k, "events handled", r.handled(1), []string{"a-1"})
		},
	},
	{
		name:    "Start/Run",
		promise: "Run starts the bus, handles events until its context ends, and shuts the bus down.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, nil)
			ctx, stop := context.WithCancel(k.Context())
			defer stop()
			var err error
			over := k.going(func() { err = eventbus.Run(ctx, bus, time.Minute) })
			bus.publish(orders(2, 3)...)
			inOrder(k, got.handled(6), orders(2, 3))
			stop()
			k.await("Run returns", over)
			k.is("run", err, nil)
			k.is("publish", bus.Publish(k.Context(), order("a", 1)), eventbus.ErrClosed)
		},
	},
}
