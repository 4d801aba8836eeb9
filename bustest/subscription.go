package bustest

import (
	"context"

	"github.com/seed-28af575d/eventbus"
)

// stop ends a subscription.
func (r *recorder) stop() {
	r.k.Helper()
	ctx, cancel := r.k.within(r.k.backend.Patience)
	defer cancel()
	if err := r.sub.Stop(ctx); err != nil {
		r.k.Fatalf("stop the subscription: %v", err)
	}
}

var subscriptions = []test{
	{
		name:    "Stop/NothingAfter",
		promise: "When Stop has returned nothing is being handled and nothing more will be; other subscriptions go on.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: 4}, nil)
			other := bus.handle(eventbus.Subscriber{Name: "other"}, nil)
			bus.publish(orders(5, 40)...)
			got.began.wait(10)
			got.stop()
			handled := len(got.good.now())
			equal(k, "attempts that had begun", len(got.began.now()), handled)
			bus.publish(order("a0", 41))
			inOrder(k, other.handled(201), append(orders(5, 40), order("a0", 41)))
			equal(k, "events handled since", len(got.began.now()), handled)
		},
	},
	{
		name:    "Stop/WaitsForHandlers",
		promise: "Stop waits for running handlers, and what they handled is done.",
		run: func(k *kit) {
			busy := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: 1}, func(ctx context.Context, _ eventbus.DomainEvent) error { return busy.wait(ctx) })
			bus.publish(order("a", 1), order("a", 2))
			got.began.wait(1)
			over := k.going(func() { k.is("stop", got.sub.Stop(k.Context()), nil) })
			k.calm()
			select {
			case <-over:
				k.Errorf("Stop returned while a handler was running")
			default:
			}
			busy.open()
			k.await("Stop returns", over)
			done := idsOf(got.good.now())
			equal(k, "attempts that had begun", idsOf(got.began.now()), done)
			again := bus.handle(eventbus.Subscriber{}, nil)
			equal(k, "events handled by both subscriptions", append(done, again.handled(2-len(done))...), []string{"a-1", "a-2"})
		},
	},
	{
		name:    "Stop/GoesOnWhereItEnded",
		promise: "A subscriber that is stopped and joins again goes on where it ended, with what came in between.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(orders(5, 40)...)
			got.began.wait(10)
			got.stop()
			bus.publish(orders(5, 60)[200:]...)
			again := bus.handle(eventbus.Subscriber{}, nil)
			done := idsOf(got.good.now())
			inOrder(k, append(done, again.handled(300-len(done))...), orders(5, 60))
		},
	},
	{
		name:    "Stop/Idempotent",
		promise: "Stopping again, also from many goroutines at once and after Shutdown, does nothing and is no error.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			k.together("every Stop", 16, func(int) { k.is("stop", got.sub.Stop(k.Context()), nil) })
			got.stop()
			bus.shutdown()
			got.stop()
		},
	},
	{
		name:    "Stop/FromItsHandler",
		promise: "A handler may stop its own subscription: that returns at once, and the subscription ends when the handler does.",
		run: func(k *kit) {
			bus, r := k.open(eventbus.Options{}), k.recorder(nil)
			r.do = func(ctx context.Context, _ eventbus.DomainEvent) error { return r.sub.Stop(ctx) }
			r.sub = bus.subscribe(eventbus.Subscriber{Handler: r, Concurrency: 1})
			bus.start()
			bus.publish(order("a", 1), order("a", 2))
			k.await("the subscription ends", r.sub.Done())
			equal(k, "events handled", idsOf(r.good.now()), []string{"a-1"})
			again := bus.handle(eventbus.Subscriber{}, nil)
			equal(k, "events handled by the next subscription", again.handled(1), []string{"a-2"})
		},
	},
	{
		name:    "Stop/FromAnothersHandler",
		promise: "A handler may stop another subscription and wait for its end.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			victim := bus.handle(eventbus.Subscriber{Name: "victim"}, nil)
			got := bus.handle(eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error { return victim.sub.Stop(ctx) })
			bus.start()
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "events handled", got.handled(2), []string{"a-1", "a-2"})
			k.await("the other subscription ends", victim.sub.Done())
		},
	},
	{
		name:    "Stop/DoneAndErr",
		promise: "Done is closed when a subscription has ended, by Stop or by Shutdown, and Err is nil then.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			first, second := bus.handle(eventbus.Subscriber{Name: "first"}, nil), bus.handle(eventbus.Subscriber{Name: "second"}, nil)
			bus.start()
			for _, r := range []*recorder{first, second} {
				select {
				case <-r.sub.Done():
					k.Errorf("a running subscription is done")
				default:
				}
			}
			first.stop()
			k.await("the stopped subscription is done", first.sub.Done())
			bus.shutdown()
			k.await("the other subscription is done", second.sub.Done())
			k.is("Err after Stop", first.sub.Err(), nil)
			k.is("Err after Shutdown", second.sub.Err(), nil)
		},
	},
	{
		name:    "Stop/Overrun",
		promise: "When the time of Stop is up it cancels the handlers and names their events, which stay; what they return counts as no attempt.",
		run: func(k *kit) {
			s := eventbus.Subscriber{Retry: k.retry(1)}
			bus, got := k.running(eventbus.Options{}, s, func(ctx context.Context, _ eventbus.DomainEvent) error {
				k.stay(ctx)
				return context.Cause(ctx)
			})
			bus.publish(order("a", 1))
			got.began.wait(1)
			ctx, cancel := k.within(k.unit())
			defer cancel()
			told := as[*eventbus.UnfinishedError](k, "stop", got.sub.Stop(ctx))
			equal(k, "unfinished events", unfinished(k, told), []string{"a-1"})
			k.is("what the handler returned", got.ended.wait(1)[0].err, eventbus.ErrInterrupted)
			k.await("the subscription ends", got.sub.Done())
			again := bus.handle(s, nil)
			equal(k, "attempt", again.good.wait(1)[0].delivery.Attempt, 1)
		},
	},
	{
		name:    "Pause/NothingStarts",
		promise: "While a subscription is paused no handler of it starts; Resume goes on in order, and others never stopped.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			other := bus.handle(eventbus.Subscriber{Name: "other"}, nil)
			bus.publish(order("a0", 1))
			got.handled(1)
			got.sub.Pause()
			got.sub.Pause()
			bus.publish(orders(5, 20)[1:]...)
			inOrder(k, other.handled(100), orders(5, 20))
			equal(k, "events handled while paused", idsOf(got.began.now()), []string{"a0-1"})
			got.sub.Resume()
			inOrder(k, got.handled(100), orders(5, 20))
		},
	},
	{
		name:    "Pause/BeforeStartAndShutdown",
		promise: "A subscription may be paused before Start, and a paused one is shut down like any other.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, nil)
			got.sub.Pause()
			other := bus.handle(eventbus.Subscriber{Name: "other"}, nil)
			bus.start()
			bus.publish(orders(2, 5)...)
			inOrder(k, other.handled(10), orders(2, 5))
			k.quick("shutting down", bus.shutdown())
			equal(k, "attempts", len(got.began.now()), 0)
			_, next := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			inOrder(k, next.handled(10), orders(2, 5))
		},
	},
}
