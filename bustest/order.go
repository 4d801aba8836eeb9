package bustest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

var ordering = []test{
	perAggregate(1),
	perAggregate(4),
	perAggregate(16),
	{
		name:    "Order/NeverTwoAtOnce",
		promise: "No two handlers of an ordered subscriber work on events of one aggregate at once.",
		run: func(k *kit) {
			all := eventbus.Subscriber{Concurrency: 16}
			bus, got := k.running(eventbus.Options{}, all, func(context.Context, eventbus.DomainEvent) error {
				for range 10 { // give others the chance
					runtime.Gosched()
				}
				return nil
			})
			bus.publish(orders(8, 50)...)
			inOrder(k, got.handled(400), orders(8, 50))
			last := map[string]attempt{}
			for _, a := range byBeginning(got.good.now()) {
				if before, ok := last[a.event.AggregateID]; ok && before.last > a.first {
					k.Errorf("%s began while %s was being handled", a.event.ID, before.event.ID)
				}
				last[a.event.AggregateID] = a
			}
		},
	},
	{
		name:    "Order/SlowDelaysNoOther",
		promise: "A slow event holds up later events of its aggregate and of no other.",
		run: func(k *kit) {
			slow := k.gate()
			s := eventbus.Subscriber{Concurrency: 2}
			bus, got := k.running(eventbus.Options{}, s, func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.ID == "slow-1" {
					return slow.wait(ctx)
				}
				return nil
			})
			bus.publish(order("slow", 1), order("slow", 2))
			bus.publish(orders(10, 10)...)
			inOrder(k, got.handled(100), orders(10, 10))
			slow.open()
			equal(k, "events of the slow aggregate", of("slow", got.handled(102)), []string{"slow-1", "slow-2"})
		},
	},
	{
		name:    "Order/AggregatesByTypeToo",
		promise: "Aggregates of two types are two aggregates, though they have one ID.",
		run: func(k *kit) {
			slow := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: 2}, func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.Type == "order.created" {
					return slow.wait(ctx)
				}
				slow.open()
				return nil
			})
			bus.publish(order("a", 1), invoice("a", 1))
			equal(k, "events handled, sorted", sorted(got.handled(2)), []string{"a-1", "invoice-a-1"})
		},
	},
	{
		name:    "Order/NoAggregateNoOrder",
		promise: "Events without an aggregate ID are not ordered: a slow one holds up no other.",
		run: func(k *kit) {
			slow := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: 2}, func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.ID == "-1" {
					return slow.wait(ctx)
				}
				slow.open()
				return nil
			})
			bus.publish(order("", 1), order("", 2))
			equal(k, "events handled, sorted", sorted(got.handled(2)), []string{"-1", "-2"})
		},
	},
	{
		name:    "Order/AcrossInstances",
		promise: "Events of one aggregate are handled in the order of their publication also where several instances share the work.",
		needs:   []part{orderAcross},
		run: func(k *kit) {
			both := k.recorder(func(context.Context, eventbus.DomainEvent) error {
				runtime.Gosched()
				return nil
			})
			for range 3 {
				bus := k.open(eventbus.Options{Window: 8})
				bus.subscribe(eventbus.Subscriber{Handler: both})
				bus.start()
			}
			for batch := range slices.Chunk(orders(20, 50), 100) {
				k.buses[0].publish(batch...)
			}
			inOrder(k, both.handled(1000), orders(20, 50))
		},
	},
	{
		name:    "Group/Rebalance",
		promise: "Instances that come and go in good order while events are handled lose nothing, repeat nothing and keep the order of each aggregate.",
		needs:   []part{orderAcross},
		run:     comingAndGoing,
	},
	{
		name:    "Group/SlowStays",
		promise: "A handler that is still at it when another instance has come and works goes on, and its event is handled once.",
		needs:   []part{orderAcross},
		run: func(k *kit) {
			busy := k.gate()
			script := func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.AggregateID == "slow" {
					return busy.wait(ctx)
				}
				return nil
			}
			one, first := k.running(eventbus.Options{}, eventbus.Subscriber{}, script)
			one.publish(order("slow", 1), order("slow", 2))
			first.began.wait(1)
			_, second := k.running(eventbus.Options{}, eventbus.Subscriber{}, script)
			more := 0
			k.soon("the other instance works", func() bool {
				more++
				one.publish(order(fmt.Sprint("quick", more), 1))
				return len(second.good.now()) > 0
			})
			busy.open()
			first.good.wait(1)
			all := func() []string { return append(idsOf(first.good.now()), idsOf(second.good.now())...) }
			k.soon("all is handled", func() bool { return len(all()) >= more+2 })
			k.calm()
			equal(k, "events handled of the slow aggregate", of("slow", all()), []string{"slow-1", "slow-2"})
			equal(k, "events handled", len(all()), more+2)
			equal(k, "handlers that began", len(first.began.now())+len(second.began.now()), more+2)
		},
	},
}

// comingAndGoing has instances join and leave in the middle of handlers, of which some are slow.
func comingAndGoing(k *kit) {
	both := k.recorder(func(_ context.Context, e eventbus.DomainEvent) error {
		if strings.HasSuffix(e.ID, "7") {
			k.pass(k.unit())
		}
		return nil
	})
	join := func() *bus {
		bus := k.open(eventbus.Options{})
		bus.subscribe(eventbus.Subscriber{Handler: both})
		bus.start()
		return bus
	}
	first, publisher := join(), k.open(eventbus.Options{})
	all := orders(20, 50)
	published := k.going(func() {
		for batch := range slices.Chunk(all, 20) {
			publisher.publish(batch...)
			k.pass(k.unit())
		}
	})
	both.good.wait(100)
	second := join()
	both.good.wait(300)
	first.shutdown()
	third := join()
	both.good.wait(600)
	second.shutdown()
	k.await("all is published", published)
	inOrder(k, both.handled(1000), all)
	third.shutdown()
	equal(k, "handler calls", len(both.began.now()), 1000)
}

func perAggregate(concurrency int) test {
	return test{
		name:    fmt.Sprintf("Order/Concurrency%d", concurrency),
		promise: fmt.Sprintf("With up to %d handlers at once the events of each aggregate are handled in the order of their publication.", concurrency),
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: concurrency}, func(_ context.Context, e eventbus.DomainEvent) error {
				for range len(e.AggregateID) * int(e.ID[len(e.ID)-1]) % 7 { // some take longer than others
					runtime.Gosched()
				}
				return nil
			})
			bus.publish(orders(20, 10)...)
			bus.publish(orders(20, 20)[200:]...)
			inOrder(k, got.handled(400), orders(20, 20))
		},
	}
}

func byBeginning(attempts []attempt) []attempt {
	slices.SortFunc(attempts, func(a, b attempt) int { return int(a.first - b.first) })
	return attempts
}
