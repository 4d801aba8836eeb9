package bustest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// patient are options and a policy for retries that go on until something else has
// happened.
func (k *kit) patient() (eventbus.Options, eventbus.RetryPolicy) {
	return eventbus.Options{Hold: 10_000 * time.Hour}, k.retry(100_000)
}

// until fails the event until the signal is given.
func until(id string) (s script, signal func()) {
	var given atomic.Bool
	return func(_ context.Context, e eventbus.DomainEvent) error {
		if e.ID == id && !given.Load() {
			return errTest
		}
		return nil
	}, func() { given.Store(true) }
}

var orderWhileRetrying = []test{
	{
		name:    "Order/WhileRetrying",
		promise: "While an event is being retried, later events of its aggregate wait for it.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, failingFirst(2, "a-1"))
			bus.publish(story("a", 3)...)
			equal(k, "attempts", got.tried(5), []string{"a-1", "a-1", "a-1", "a-2", "a-3"})
		},
	},
	{
		name:    "Order/WhileRetryingInTheMiddle",
		promise: "Order holds when several aggregates are retried at once.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, failingFirst(2, "a0-2", "a3-1", "a3-2", "a7-5"))
			bus.publish(orders(10, 5)...)
			inOrder(k, got.handled(50), orders(10, 5))
		},
	},
	{
		name:    "Order/OthersWhileRetrying",
		promise: "While an event is being retried, events of other aggregates go on.",
		run: func(k *kit) {
			options, policy := k.patient()
			script, release := until("stubborn-1")
			bus, got := k.running(options, eventbus.Subscriber{Retry: policy, Concurrency: 2}, script)
			bus.publish(order("stubborn", 1), order("stubborn", 2))
			got.ended.wait(1)
			bus.publish(orders(10, 10)...)
			inOrder(k, got.handled(100), orders(10, 10))
			release()
			equal(k, "events of the stubborn aggregate", of("stubborn", got.handled(102)), []string{"stubborn-1", "stubborn-2"})
		},
	},
	{
		name:    "Order/UnorderedPasses",
		promise: "An unordered subscriber lets later events of an aggregate pass one that is being retried.",
		run: func(k *kit) {
			options, policy := k.patient()
			script, release := until("a-1")
			bus, got := k.running(options, eventbus.Subscriber{Retry: policy, Unordered: true, Concurrency: 1}, script)
			bus.publish(story("a", 5)...)
			equal(k, "events handled, sorted", sorted(got.handled(4)), []string{"a-2", "a-3", "a-4", "a-5"})
			release()
			equal(k, "events handled, sorted", sorted(got.handled(5)), []string{"a-1", "a-2", "a-3", "a-4", "a-5"})
		},
	},
	{
		name:    "Order/UnorderedAtOnce",
		promise: "An unordered subscriber may handle several events of an aggregate at once: a slow one holds up no other.",
		run: func(k *kit) {
			slow := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Unordered: true, Concurrency: 2}, func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.ID == "a-1" {
					return slow.wait(ctx)
				}
				return nil
			})
			bus.publish(story("a", 3)...)
			equal(k, "events handled, sorted", sorted(got.handled(2)), []string{"a-2", "a-3"})
			slow.open()
			got.handled(3)
		},
	},
	{
		name:    "Order/AfterBurial",
		promise: "When an event is buried, the next one of its aggregate goes on.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, failing("a-2"))
			bus.publish(story("a", 4)...)
			equal(k, "attempts", got.tried(6), []string{"a-1", "a-2", "a-2", "a-2", "a-3", "a-4"})
		},
	},
	{
		name:    "Order/SmallWindow",
		promise: "With a window of one delivery order and progress are the same, only slower.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{Window: 1}, eventbus.Subscriber{}, failingFirst(1, "a1-2", "a2-1"))
			bus.publish(orders(4, 5)...)
			inOrder(k, got.handled(20), orders(4, 5))
		},
	},
}
