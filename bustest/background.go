package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-28af575d/eventbus"
)

var background = []test{
	{
		name:    "Background/ReturnsAtOnce",
		promise: "Publishing in the background returns before the events are stored, refuses bad ones at once, and keeps order.",
		run: func(k *kit) {
			bus, got, slow, back := k.background(eventbus.BackgroundOptions{})
			all := orders(3, 20)
			var err error
			k.returns("publishing while storing is held up", func() {
				for i := 0; i < len(all) && err == nil; i++ {
					err = back.Publish(k.Context(), all[i])
				}
			})
			k.is("publish", err, nil)
			k.is("publish", back.Publish(k.Context(), order("bad", 1).WithVersion(-1)), eventbus.ErrInvalid)
			bus.publish(order("marker", 1))
			equal(k, "events handled while storing is held up", got.handled(1), []string{"marker-1"})
			slow.open()
			inOrder(k, got.handled(61), append(all, order("marker", 1)))
		},
	},
	{
		name:    "Background/Bounded",
		promise: "What is queued in the background is bounded: beyond it callers wait as long as their context, or fail at once, with ErrFull.",
		run: func(k *kit) {
			for _, mode := range []eventbus.FullMode{eventbus.WaitWhenFull, eventbus.FailWhenFull} {
				_, got, slow, back := k.background(eventbus.BackgroundOptions{Bound: 3, WhenFull: mode})
				for n := range 3 {
					k.is("publish", back.Publish(k.Context(), order("a", n+1)), nil)
				}
				ctx, cancel := k.within(k.unit())
				err := back.Publish(ctx, order("a", 4))
				cancel()
				k.is("publish on a full queue", err, eventbus.ErrFull)
				k.is("publish on a full queue", err, eventbus.ErrRefused)
				k.says("publish on a full queue", err, "at most 3 events")
				slow.open()
				k.soon("there is room", func() bool { return back.Publish(k.Context(), order("b", 1).WithID("")) == nil })
				got.good.wait(4)
				k.soon("all are counted", func() bool { return back.Stats().Waiting+back.Stats().UnderWay == 0 })
				equal(k, "events refused for want of room", back.Stats().Refused > 0, true)
				equal(k, "events queued and published", fmt.Sprint(back.Stats().Queued, back.Stats().Published), "4 4")
				k.is("shut down", back.Shutdown(k.Context()), nil)
			}
		},
	},
	{
		name:    "Background/DrainedByShutdown",
		promise: "Shutdown stores what is queued in the background before it ends the bus; what comes later is refused with ErrClosed.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, nil)
			slow := &slowBus{EventBus: bus.EventBus, way: k.gate()}
			back := k.behind(slow, eventbus.BackgroundOptions{})
			all := orders(5, 20)
			for _, e := range all {
				k.is("publish", back.Publish(k.Context(), e), nil)
			}
			over := k.going(func() { k.is("shut down", back.Shutdown(k.Context()), nil) })
			k.soon("it is closed", func() bool {
				return errors.Is(back.Publish(k.Context(), eventbus.DomainEvent{}), eventbus.ErrClosed)
			})
			k.is("publish", back.Publish(k.Context(), order("late", 1)), eventbus.ErrClosed)
			slow.way.open()
			k.await("Shutdown returns", over)
			k.is("publish beneath", bus.Publish(k.Context(), order("late", 2)), eventbus.ErrClosed)
			equal(k, "attempts on the bus that was never started", len(got.began.now()), 0)
			_, next := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			inOrder(k, next.handled(100), all)
		},
	},
	{
		name:    "Background/ErrorsTold",
		promise: "Each event that was published in the background and not stored is told once, with its error, and counted; the others are stored.",
		run: func(k *kit) {
			told := newTrail[eventbus.Published](k, "failures told")
			_, got, slow, back := k.backgroundOn(eventbus.Options{StrictNames: true}, eventbus.BackgroundOptions{
				Failed: func(_ context.Context, e eventbus.DomainEvent, err error) {
					told.add(eventbus.Published{Event: e, Err: err})
				},
			})
			k.is("publish", back.Publish(k.Context(), order("a", 1)), nil)
			misnamed := eventbus.NewRaw("Order.Lost", "a", "", nil).WithID("a-2")
			k.is("publish", back.Publish(k.Context(), misnamed, order("a", 3)), nil)
			k.is("publish", back.Publish(k.Context(), order("a", 4)), nil)
			slow.open()
			equal(k, "events handled", got.handled(2), []string{"a-1", "a-4"})
			for i, f := range told.wait(2) {
				equal(k, "event told", f.Event.ID, fmt.Sprint("a-", i+2))
				k.is("why", f.Err, eventbus.ErrRefused)
				k.is("why", f.Err, []error{eventbus.ErrInvalid, eventbus.ErrHeldBack}[i])
			}
			k.is("shut down", back.Shutdown(k.Context()), nil)
			equal(k, "failures told", len(told.now()), 2)
			s := back.Stats()
			equal(k, "events queued, published, failed", []uint64{s.Queued, s.Published, s.Failed}, []uint64{4, 2, 2})
		},
	},
	{
		name:    "Background/HandlerAtTheBound",
		promise: "A handler that publishes in the background while the queue is full, since storing waits for that handler, does not wait for itself, and what it publishes is stored when it returns.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			slow := &slowBus{EventBus: bus.EventBus, way: k.gate()}
			back := k.behind(slow, eventbus.BackgroundOptions{Bound: 1})
			full, handled := k.gate(), newTrail[string](k, "events handled")
			bus.subscribe(eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
				defer func() { handled.add(e.ID) }()
				if e.AggregateID != "seed" {
					return nil
				}
				if err := full.wait(ctx); err != nil {
					return err
				}
				for n := range 10 {
					if err := back.Publish(ctx, order("child", n+1)); err != nil {
						return err
					}
				}
				slow.way.open() // storing waited for this
				return nil
			})})
			bus.start()
			bus.publish(order("seed", 1))
			k.is("publish", back.Publish(k.Context(), order("queued", 1)), nil)
			ctx, cancel := k.within(k.unit())
			defer cancel()
			k.is("publish on a full queue", back.Publish(ctx, order("queued", 2)), eventbus.ErrFull)
			full.open()
			want := append(story("child", 10), order("seed", 1), order("queued", 1))
			equal(k, "events handled, sorted", sorted(handled.wait(len(want))), sorted(ids(want)))
			k.is("shut down", back.Shutdown(k.Context()), nil)
			equal(k, "events that handlers published", back.Stats().Direct, 10)
		},
	},
	{
		name:    "Background/HandlersAreServedToTheEnd",
		promise: "While Shutdown waits for a handler, what the handler publishes in the background is stored.",
		run: func(k *kit) {
			bus, busy := k.open(eventbus.Options{}), k.gate()
			back := k.behind(bus.EventBus, eventbus.BackgroundOptions{})
			got := bus.handle(eventbus.Subscriber{Concurrency: 1}, func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.ID != "a-1" {
					return nil
				}
				return errors.Join(busy.wait(ctx), back.Publish(ctx, order("follow-up", 1)))
			})
			bus.start()
			bus.publish(order("a", 1))
			got.began.wait(1)
			over := k.going(func() { k.is("shut down", back.Shutdown(k.Context()), nil) })
			bus.closing()
			busy.open()
			k.await("Shutdown returns", over)
			_, next := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			k.soon("both are handled, the second by whoever received it", func() bool {
				return slices.Equal(sorted(append(idsOf(got.good.now()), idsOf(next.good.now())...)), []string{"a-1", "follow-up-1"})
			})
		},
	},
}

// background opens a bus that is started, and a background one over it whose storing
// is held up by the gate.
func (k *kit) background(o eventbus.BackgroundOptions) (*bus, *recorder, *gate, *eventbus.BackgroundBus) {
	k.Helper()
	return k.backgroundOn(eventbus.Options{}, o)
}

func (k *kit) backgroundOn(of eventbus.Options, o eventbus.BackgroundOptions) (*bus, *recorder, *gate, *eventbus.BackgroundBus) {
	k.Helper()
	bus, got := k.running(of, eventbus.Subscriber{}, nil)
	slow := &slowBus{EventBus: bus.EventBus, way: k.gate()}
	return bus, got, slow.way, k.behind(slow, o)
}

// behind makes a background bus over the other.
func (k *kit) behind(bus eventbus.EventBus, o eventbus.BackgroundOptions) *eventbus.BackgroundBus {
	k.Helper()
	back, err := eventbus.Background(bus, o)
	if err != nil {
		k.Fatalf("open a background bus: %v", err)
	}
	return back
}

// slowBus is a bus whose Publish waits for a gate, except in handlers, which must
// not wait for others.
type slowBus struct {
	eventbus.EventBus
	way *gate
}

func (s *slowBus) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	if _, handling := eventbus.DeliveryOf(ctx); !handling {
		if err := s.way.wait(ctx); err != nil {
			return err
		}
	}
	return s.EventBus.Publish(ctx, events...)
}
