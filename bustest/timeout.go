package bustest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

var timeouts = []test{
	{
		name:    "Handler/Panic",
		promise: "A panic of a handler is an error like others: it is retried and then buried, with the stack.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w := k.witness()
			bus, got := k.running(eventbus.Options{Observer: w.observer()}, eventbus.Subscriber{}, func(_ context.Context, e eventbus.DomainEvent) error {
				if e.ID == "a-1" {
					explode()
				}
				return nil
			})
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "attempts", got.tried(4), []string{"a-1", "a-1", "a-1", "a-2"})
			letter := bus.letters().one()
			equal(k, "letter", []string{letter.EventID, string(letter.Reason), fmt.Sprint(letter.Attempts)}, []string{"a-1", string(dlq.Panic), "3"})
			if !strings.Contains(letter.Stack, "explode") {
				k.Errorf("the stack does not name the function that panicked:\n%s", letter.Stack)
			}
			told := as[*eventbus.PanicError](k, "the error observed", w.handled.wait(1)[0].Err)
			k.is("the panic's value", told, errTest)
		},
	},
	{
		name:    "Handler/PanicOfMiddleware",
		promise: "A panic in middleware is as good as one in the handler.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			faulty := func(next eventbus.Handler) eventbus.Handler {
				return eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
					if e.ID == "a-1" {
						panic("middleware")
					}
					return next.Handle(ctx, e)
				})
			}
			bus, got := k.running(eventbus.Options{Middleware: []eventbus.Middleware{faulty}}, eventbus.Subscriber{}, nil)
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "events handled", got.handled(1), []string{"a-2"})
			equal(k, "reason", bus.letters().one().Reason, dlq.Panic)
		},
	},
	{
		name:    "Handler/Timeout",
		promise: "An attempt that takes too long has its context ended, with the cause ErrTimeout; after the last one the event is buried for that reason.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			causes := newTrail[error](k, "causes")
			s := eventbus.Subscriber{Timeout: k.unit(), Retry: k.retry(2)}
			bus, got := k.running(eventbus.Options{}, s, func(ctx context.Context, e eventbus.DomainEvent) error {
				if e.ID != "a-1" {
					return nil
				}
				k.stay(ctx)
				causes.add(context.Cause(ctx))
				return ctx.Err()
			})
			bus.publish(order("a", 1), order("a", 2))
			equal(k, "attempts", got.tried(3), []string{"a-1", "a-1", "a-2"})
			for _, a := range got.ended.now()[:2] {
				k.took("the attempt", a.over.Sub(a.began), k.unit())
			}
			for _, cause := range causes.now() {
				k.is("cause", cause, eventbus.ErrTimeout)
			}
			letter := bus.letters().one()
			equal(k, "letter", []string{letter.EventID, string(letter.Reason), fmt.Sprint(letter.Attempts)}, []string{"a-1", string(dlq.Timeout), "2"})
		},
	},
	{
		name:    "Handler/SecondAttemptInTime",
		promise: "An attempt that timed out is retried like any other.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Timeout: k.unit()}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				if attemptOf(ctx) == 1 {
					k.stay(ctx)
				}
				return ctx.Err()
			})
			bus.publish(order("a", 1))
			waits(k, got, k.unit())
			equal(k, "letters", bus.letters().count(dlq.Filter{}), 0)
		},
	},
	{
		name:    "Handler/Stuck",
		promise: "A handler that never returns loses its event to the dead letters, its slot is given away, and the next event of the aggregate runs.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w, never := k.witness(), k.gate()
			s := eventbus.Subscriber{Timeout: k.unit(), Concurrency: 1}
			bus, got := k.running(eventbus.Options{Observer: w.observer()}, s, func(_ context.Context, e eventbus.DomainEvent) error {
				if e.ID == "a-1" {
					return never.stuck()
				}
				return nil
			})
			bus.publish(order("a", 1), order("a", 2), order("b", 1))
			equal(k, "events handled, sorted", sorted(got.handled(2)), []string{"a-2", "b-1"})
			letter := bus.letters().one()
			equal(k, "letter", []string{letter.EventID, string(letter.Reason), fmt.Sprint(letter.Attempts)}, []string{"a-1", string(dlq.Timeout), "1"})
			told := w.buried.wait(1)[0]
			if !told.Stuck || !errors.Is(told.Err, eventbus.ErrTimeout) {
				k.Errorf("observed a burial that is stuck: %v, for %v", told.Stuck, told.Err)
			}
		},
	},
	{
		name:    "Handler/StuckReturns",
		promise: "When a handler that was given up returns after all, that changes nothing.",
		needs:   []part{hasLetters},
		run: func(k *kit) {
			w, late := k.witness(), k.gate()
			bus, got := k.running(eventbus.Options{Observer: w.observer()}, eventbus.Subscriber{Timeout: k.unit()}, func(_ context.Context, e eventbus.DomainEvent) error {
				if e.ID == "a-1" {
					return late.stuck()
				}
				return nil
			})
			bus.publish(order("a", 1), order("a", 2))
			letter := bus.letters().one()
			late.open()
			equal(k, "handler calls that returned, sorted", sorted(got.tried(2)), []string{"a-1", "a-2"})
			bus.publish(order("a", 3))
			got.handled(3)
			equal(k, "the letter", bus.letters().one().ID, letter.ID)
			for _, h := range w.handled.now() {
				if h.Event.ID == "a-1" && h.Err == nil {
					k.Errorf("the lost attempt was observed as a success")
				}
			}
		},
	},
	{
		name:    "Handler/StuckIsCounted",
		promise: "Handlers that do not return are counted, and no longer as running.",
		needs:   []part{hasLetters, hasInspector},
		run: func(k *kit) {
			never := k.gate()
			bus, _ := k.running(eventbus.Options{}, eventbus.Subscriber{Timeout: k.unit()}, func(context.Context, eventbus.DomainEvent) error { return never.stuck() })
			bus.publish(orders(3, 1)...)
			bus.letters().wait(3, dlq.Filter{Reason: dlq.Timeout})
			k.soon("nothing is under way", func() bool { _, s := bus.stats("worker"); return s.InFlight == 0 })
			_, s := bus.stats("worker")
			equal(k, "stuck, running and buried", []uint64{s.Stuck, uint64(s.Running), s.Buried}, []uint64{3, 0, 3})
		},
	},
}

// explode panics, under a name that can be looked for.
func explode() { panic(errTest) }
