package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
)

var publishing = []test{
	{
		name:    "Publish/EmptyList",
		promise: "Publishing no event is no error and does nothing.",
		run: func(k *kit) {
			w := k.witness()
			bus, got := k.running(eventbus.Options{Observer: w.observer()}, eventbus.Subscriber{}, nil)
			bus.publish()
			bus.publish([]eventbus.DomainEvent{}...)
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(1), []string{"a-1"})
			equal(k, "publications observed", len(w.published.now()), 1)
		},
	},
	{
		name:    "Publish/BeforeStart",
		promise: "Publishing needs no Start: what was published before it is handled after it.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, nil)
			bus.publish(orders(2, 3)...)
			bus.start()
			inOrder(k, got.handled(6), orders(2, 3))
		},
	},
	{
		name:    "Publish/Unroutable",
		promise: "An event that no group wants is refused where that is asked for, and those beside it are stored.",
		needs:   []part{canRequire},
		run: func(k *kit) {
			bus := k.openBy(k.space.OpenRequiring, eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{Events: []string{"order.created"}}, nil)
			bus.start()
			stray := shipped("a", 2)
			err := bus.Publish(k.Context(), order("a", 1), stray, order("b", 1))
			failed := (*eventbus.PublishError)(nil)
			if !errors.Is(err, eventbus.ErrRefused) || errors.Is(err, eventbus.ErrUnknown) || !errors.As(err, &failed) {
				k.Fatalf("publish to nobody: %v", err)
			}
			equal(k, "events refused", len(failed.Failed), 1)
			equal(k, "the event refused", failed.Failed[0].ID, stray.ID)
			equal(k, "events handled", slices.Sorted(slices.Values(got.handled(2))), []string{"a-1", "b-1"})
		},
	},
	{
		name:    "Publish/BatchInOrder",
		promise: "A batch of 1,000 events is stored whole and in the order given.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(orders(10, 100)...)
			inOrder(k, got.handled(1000), orders(10, 100))
		},
	},
	{
		name:    "Publish/OneAfterTheOther",
		promise: "Events of one aggregate that are published in separate calls are handled in the order of the calls.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			for batch := range slices.Chunk(orders(3, 50), 4) {
				bus.publish(batch...)
			}
			inOrder(k, got.handled(150), orders(3, 50))
		},
	},
	{
		name:    "Publish/Concurrently",
		promise: "Many goroutines may publish at once: nothing is lost or doubled, and each one's order stays.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			var all []eventbus.DomainEvent
			for n := range 8 * 50 {
				all = append(all, order(fmt.Sprintf("p%d", n/50), n%50+1))
			}
			k.together("every publisher", 8, func(i int) {
				for _, e := range all[i*50 : (i+1)*50] {
					if err := bus.Publish(k.Context(), e); err != nil {
						k.Errorf("publish %s: %v", e.ID, err)
					}
				}
			})
			inOrder(k, got.handled(len(all)), all)
		},
	},
	{
		name:    "Publish/WaitsForNoHandler",
		promise: "Publish returns when the events are stored, and does not wait for a handler.",
		run: func(k *kit) {
			busy := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				return busy.wait(ctx)
			})
			bus.publish(orders(2, 5)...)
			equal(k, "events handled when Publish returned", len(got.good.now()), 0)
			busy.open()
			inOrder(k, got.handled(10), orders(2, 5))
		},
	},
	{
		name:    "Publish/SliceIsTheCallers",
		promise: "When Publish has returned, the caller may use the slice of events for something else.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			got := bus.handle(eventbus.Subscriber{}, nil)
			events := orders(1, 5)
			bus.publish(events...)
			for i := range events {
				events[i] = order("other", i)
			}
			bus.start()
			inOrder(k, got.handled(5), orders(1, 5))
		},
	},
	{
		name:    "Publish/FillsIn",
		promise: "An event without ID, time or source gets them when it is published; an event that has them keeps them.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{Source: "/shop"}, eventbus.Subscriber{}, nil)
			blank, full := order("a", 1).WithID(""), order("a", 2).WithTime(time.Unix(1e9, 5))
			blank.Time, full.Source = time.Time{}, "urn:other"
			before := time.Now()
			bus.publish(blank, full)
			all := got.good.wait(2)
			first, second := all[0].event, all[1].event
			if first.ID == "" || first.Time.Before(before.Add(-time.Millisecond)) || first.Time.After(time.Now()) {
				k.Errorf("ID %q and time %v were filled in, at %v", first.ID, first.Time, before)
			}
			equal(k, "source that was filled in", first.Source, "/shop")
			alike(k, second, full)
		},
	},
	{
		name:    "Publish/DefaultSource",
		promise: "The source of an event that names none, on a bus that names none, is a slash and the bus's group.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			bus.publish(order("a", 1))
			equal(k, "source", got.good.wait(1)[0].event.Source, "/"+k.group())
		},
	},
}
