package bustest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var observing = []test{
	{
		name:    "Observe/Published",
		promise: "The observer is told of every event of a Publish what became of it.",
		run: func(k *kit) {
			w := k.witness()
			bus := k.open(eventbus.Options{Observer: w.observer()})
			bus.publish(order("a", 1), order("a", 2))
			k.is("publish", bus.Publish(k.Context(), order("a", 3).WithVersion(-1)), eventbus.ErrInvalid)
			var told []string
			for _, p := range w.published.wait(3) {
				told = append(told, fmt.Sprint(p.Event.ID, " refused: ", errors.Is(p.Err, eventbus.ErrRefused)))
			}
			equal(k, "publications observed", told, []string{"a-1 refused: false", "a-2 refused: false", "a-3 refused: true"})
		},
	},
	{
		name:    "Observe/Handled",
		promise: "The observer is told of every attempt: for whom, of which event, the how-manieth, how long it took, how it ended.",
		run: func(k *kit) {
			w := k.witness()
			bus, _ := k.running(eventbus.Options{Observer: w.observer()}, eventbus.Subscriber{Name: "mailer"}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				k.pass(k.unit())
				if attemptOf(ctx) == 1 {
					return errTest
				}
				return nil
			})
			bus.publish(order("a", 1))
			for i, h := range w.handled.wait(2) {
				equal(k, "attempt observed", fmt.Sprint(h.Group, h.Subscriber, h.Event.ID, h.Attempt), fmt.Sprint(k.group(), "mailer", "a-1", i+1))
				k.took("the attempt observed", h.Took, k.unit())
			}
			k.is("the error of the first attempt", w.handled.now()[0].Err, errTest)
			k.is("the error of the second", w.handled.now()[1].Err, nil)
		},
	},
	{
		name:    "Observe/Retried",
		promise: "The observer is told of every wait for another attempt, and why; a suspension has attempt 0.",
		run: func(k *kit) {
			w := k.witness()
			s, calls := eventbus.Subscriber{Retry: k.retry(3)}, newTrail[int](k, "calls")
			bus, _ := k.running(eventbus.Options{Observer: w.observer()}, s, func(context.Context, eventbus.DomainEvent) error {
				calls.add(0)
				switch len(calls.now()) {
				case 1:
					return errTest
				case 2:
					return eventbus.Suspend(errTest, 2*k.unit())
				case 3:
					return eventbus.RetryAfter(errTest, 3*k.unit())
				}
				return nil
			})
			bus.publish(order("a", 1))
			for i, want := range []eventbus.Retried{{Attempt: 1, Delay: k.unit()}, {Attempt: 0, Delay: 2 * k.unit()}, {Attempt: 2, Delay: 3 * k.unit()}} {
				r := w.retried.wait(i + 1)[i]
				equal(k, "wait observed", fmt.Sprint(r.Subscriber, r.Event.ID, r.Attempt, r.Delay, r.Clamped), fmt.Sprint("worker", "a-1", want.Attempt, want.Delay, false))
				k.is("why", r.Err, errTest)
			}
		},
	},
	{
		name:    "Observe/Buried",
		promise: "The observer is told of every burial, with the letter, the reason and the attempts.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.witness()
			bus, got := k.running(eventbus.Options{Observer: w.observer()}, eventbus.Subscriber{Retry: k.retry(2)}, failing("a-1"))
			bus.publish(order("a", 1), order("a", 2))
			got.good.wait(1)
			told, letter := w.buried.wait(1)[0], bus.letters().one()
			equal(k, "burial observed", fmt.Sprint(told.Group, told.Subscriber, told.Event.ID, told.LetterID, told.Reason, told.Attempts, told.Stuck),
				fmt.Sprint(k.group(), "worker", "a-1", letter.ID, dlq.HandlerError, 2, false))
			k.is("why", told.Err, errTest)
			equal(k, "burials observed", len(w.buried.now()), 1)
		},
	},
	{
		name:    "Observe/Skipped",
		promise: "The observer is told of every event that was skipped as unmatched.",
		run: func(k *kit) {
			w := k.witness()
			bus, r := k.open(eventbus.Options{Observer: w.observer()}), k.recorder(nil)
			bus.subscribe(eventbus.Subscriber{Events: []string{"order.*"}, Unmatched: eventbus.SkipUnmatched, Handler: onCreated(r)})
			bus.start()
			bus.publish(shipped("b", 1), order("a", 2))
			r.handled(1)
			told := w.skipped.wait(1)
			equal(k, "skipped events observed", fmt.Sprint(len(told), told[0].Group, told[0].Subscriber, told[0].Event.ID), fmt.Sprint(1, k.group(), "worker", "b-1"))
		},
	},
}

var stats = []test{
	{
		name:    "Stats/AddUp",
		promise: "The counters add up: what was acknowledged was handled, skipped, sent again or buried, and what was published is counted by its outcome.",
		needs:   []part{hasInspector},
		run: func(k *kit) {
			bus, r := k.open(eventbus.Options{}), k.recorder(failingFirst(1, "a-2"))
			r.do = func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.ID == "a-3" {
					return eventbus.Permanent(errTest)
				}
				return failingFirst(1, "a-2")(ctx, e)
			}
			for name, unordered := range map[string]bool{"ordered": false, "unordered": true} {
				bus.subscribe(eventbus.Subscriber{Name: name, Unordered: unordered, Events: []string{"order.*"}, Unmatched: eventbus.SkipUnmatched, Handler: onCreated(r)})
			}
			bus.start()
			bus.publish(order("a", 1), order("a", 2), order("a", 3), shipped("a", 4))
			k.is("publish", bus.Publish(k.Context(), order("a", 5), order("a", 6).WithVersion(-1)), eventbus.ErrInvalid)
			for name, moved := range map[string]uint64{"ordered": 0, "unordered": 1} {
				k.soon("everything is settled", func() bool { _, s := bus.stats(name); return s.Acked == 4+moved && s.InFlight == 0 })
				all, s := bus.stats(name)
				equal(k, "handled, skipped, moved, buried", []uint64{s.Handled, s.Skipped, s.Moved, s.Buried}, []uint64{2, 1, moved, 1})
				equal(k, "received, retried, running", []uint64{s.Received, s.Retried, uint64(s.Running)}, []uint64{4 + moved, 1, 0})
				equal(k, "failed", s.Failed, 2)
				equal(k, "published, refused, unknown", []uint64{all.Published, all.Refused, all.Unknown}, []uint64{4, 2, 0})
			}
		},
	},
	{
		name:    "Stats/UnderWay",
		promise: "The counters tell what is running now and what is held, and an empty Publish changes none of them.",
		needs:   []part{hasInspector},
		run: func(k *kit) {
			busy := k.gate()
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Concurrency: 2}, func(ctx context.Context, _ eventbus.DomainEvent) error { return busy.wait(ctx) })
			bus.publish(orders(2, 3)...)
			got.began.wait(2)
			k.soon("all are under way", func() bool { _, s := bus.stats("worker"); return s.InFlight == 6 })
			bus.publish()
			all, s := bus.stats("worker")
			equal(k, "published, running, acknowledged", []int{int(all.Published), s.Running, int(s.Acked)}, []int{6, 2, 0})
			busy.open()
			k.soon("all are done", func() bool { _, s := bus.stats("worker"); return s.Acked == 6 && s.InFlight == 0 && s.Running == 0 })
		},
	},
	{
		name:    "Stats/Health",
		promise: "A bus that makes progress is healthy, and one that is closed is not.",
		needs:   []part{hasInspector},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			inspector, _ := eventbus.As[eventbus.Inspector](bus.EventBus)
			bus.publish(orders(2, 3)...)
			got.handled(6)
			k.is("health", inspector.Health(k.Context()), nil)
			bus.shutdown()
			k.is("health of a closed bus", inspector.Health(k.Context()), eventbus.ErrClosed)
		},
	},
	{
		name:    "Stats/FullWindow",
		promise: "A window that stays full is to be seen in the counters and makes the bus unhealthy, until there is progress again.",
		needs:   []part{hasInspector},
		run: func(k *kit) {
			busy := k.gate()
			bus, got := k.running(eventbus.Options{Window: 2}, eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error { return busy.wait(ctx) })
			inspector, _ := eventbus.As[eventbus.Inspector](bus.EventBus)
			bus.publish(orders(4, 3)...)
			k.soon("the window is seen to be full", func() bool { _, s := bus.stats("worker"); return !s.WindowFullSince.IsZero() })
			k.soon("the bus is unhealthy", func() bool { return inspector.Health(k.Context()) != nil })
			busy.open()
			got.handled(12)
			k.soon("the bus is healthy again", func() bool { return inspector.Health(k.Context()) == nil })
			_, after := bus.stats("worker")
			equal(k, "since when the window is full", after.WindowFullSince, time.Time{})
		},
	},
}
