package bustest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// refused publishes the events, which must be refused with an error like want; then
// it shows that none of them was sent.
func refused(k *kit, want error, events ...eventbus.DomainEvent) error {
	k.Helper()
	bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
	err := bus.Publish(k.Context(), events...)
	k.is("publish", err, want)
	bus.publish(order("after", 1))
	equal(k, "events handled", got.handled(1), []string{"after-1"})
	return err
}

var refusing = []test{
	{
		name:    "Publish/OneBadAmongMany",
		promise: "One invalid event among 100: nothing is sent, and the error says of each event that it was not, and of the bad one why.",
		run: func(k *kit) {
			events := orders(1, 100)
			events[41].Type = "order.*"
			err := refused(k, eventbus.ErrInvalid, events...)
			told := as[*eventbus.PublishError](k, "publish", err)
			equal(k, "events in the call", told.Total, 100)
			equal(k, "events that are reported", len(told.Failed), 100)
			for i, f := range told.Failed {
				k.is("event "+f.ID, f, eventbus.ErrRefused)
				if f.Index != i || f.ID != events[i].ID || errors.Is(f, eventbus.ErrInvalid) != (i == 41) {
					k.Errorf("event %d, %s, is reported as number %d, %s: %v", i, events[i].ID, f.Index, f.ID, f.Err)
				}
			}
		},
	},
	{
		name:    "Publish/EveryFault",
		promise: "All invalid events of a batch are reported at once, each with its index, its ID and all its faults by field.",
		run: func(k *kit) {
			events := orders(1, 4)
			events[1].AggregateID, events[1].TenantID = "a\nb", strings.Repeat("t", 201)
			events[3].Type = ""
			told := as[*eventbus.PublishError](k, "publish", refused(k, eventbus.ErrInvalid, events...))
			equal(k, "events that are reported", len(told.Failed), 4)
			k.says("the error of the second event", told.Failed[1], "a0-2", "aggregate_id: ", "tenant_id: ")
			k.says("the error of the fourth event", told.Failed[3], "a0-4", "type: required")
			k.says("the error as a whole", told, "a0-2", "aggregate_id: ", "a0-4", "type: required")
		},
	},
	{
		name:    "Publish/BadEvents",
		promise: "An event that breaks a rule of the envelope is refused before anything is sent, with the field that breaks it.",
		run: func(k *kit) {
			for field, e := range map[string]eventbus.DomainEvent{
				"id":                order("a", 1).WithID(strings.Repeat("x", 201)),
				"type":              eventbus.NewRaw("order..created", "a", "", nil),
				"aggregate_type":    {ID: "1", Type: "order.created", AggregateType: "two words"},
				"aggregate_id":      order(strings.Repeat("a", 201), 1).WithID("1"),
				"aggregate_version": order("a", 1).WithVersion(-1),
				"tenant_id":         order("a", 1).WithTenant("\xff"),
				"actor_id":          order("a", 1).WithActor("a\x00b"),
				"time":              order("a", 1).WithTime(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)),
				"metadata":          order("a", 1).WithMetadata("eventbus-attempts", "7"),
				"extensions":        order("a", 1).WithExtension("Not-A-Name", "x"),
				"payload":           eventbus.NewRaw("order.created", "a", "application/json", []byte(`{"Number":`)),
				"content_type":      eventbus.NewRaw("order.created", "a", "application/cloudevents+json", []byte(`{}`)),
			} {
				bus := k.open(eventbus.Options{})
				err := bus.Publish(k.Context(), e)
				k.is("publish with a bad "+field, err, eventbus.ErrInvalid)
				k.says("publish with a bad "+field, err, field+": ")
			}
		},
	},
	{
		name:    "Publish/Unencodable",
		promise: "A payload that cannot be encoded is an error of Publish, not a panic and not somebody else's trouble later.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			for what, e := range map[string]eventbus.DomainEvent{
				"not a number":  eventbus.Named("order.created", "a", map[string]any{"total": math.NaN()}),
				"a channel":     eventbus.Named("order.created", "a", map[string]any{"total": make(chan int)}),
				"a panic":       eventbus.Named("order.created", "a", panicking{}),
				"a pointer":     eventbus.New("a", &orderCreated{1}),
				"invalid UTF-8": eventbus.Named("order.created", "a", map[string]any{"note": "\xff"}),
			} {
				err := bus.Publish(k.Context(), order("fine", 1), e)
				k.is("publish "+what, err, eventbus.ErrInvalid)
				k.says("publish "+what, err, "payload: ")
			}
			bus.publish(order("after", 1))
			equal(k, "events handled", got.handled(1), []string{"after-1"})
		},
	},
	{
		name:    "Publish/TooMany",
		promise: "More than 100,000 events in one call are refused, and none is sent.",
		run: func(k *kit) {
			events, e := make([]eventbus.DomainEvent, 100_001), order("a", 1)
			for i := range events {
				events[i] = e.WithID(strconv.Itoa(i))
			}
			k.says("publish", refused(k, eventbus.ErrInvalid, events...), "100,000")
		},
	},
	{
		name:    "Publish/SameIDTwice",
		promise: "Two events with one ID in one call are refused, and nothing is sent.",
		run: func(k *kit) {
			err := refused(k, eventbus.ErrInvalid, order("a", 1), order("a", 2), order("a", 1))
			k.says("publish", err, "a-1", "id: ")
		},
	},
	{
		name:    "Publish/TooLarge",
		promise: "An event of just the allowed size is published; with one byte more it is refused, with both sizes.",
		run: func(k *kit) {
			const limit = 10_000
			bus, got := k.running(eventbus.Options{MaxBytes: limit}, eventbus.Subscriber{}, nil)
			base := order("a", 1)
			sized := func(n int) eventbus.DomainEvent { return base.WithData("text/plain", bytes.Repeat([]byte("x"), n)) }
			told := as[*eventbus.TooLargeError](k, "publish", bus.Publish(k.Context(), sized(limit)))
			fits := limit - (told.Size - told.Limit)
			err := bus.Publish(k.Context(), sized(fits+1))
			equal(k, "sizes that are told", *as[*eventbus.TooLargeError](k, "publish", err), eventbus.TooLargeError{Size: limit + 1, Limit: limit})
			k.is("publish", err, eventbus.ErrTooLarge)
			k.is("publish", err, eventbus.ErrRefused)
			bus.publish(sized(fits))
			equal(k, "bytes that arrived", len(got.good.wait(1)[0].event.Data()), fits)
		},
	},
	{
		name:    "Publish/StrictNames",
		promise: "With StrictNames only event types in lower case with two words, the first of them the aggregate type, are published.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{StrictNames: true}, eventbus.Subscriber{}, nil)
			for _, name := range []string{"Order.created", "order.Created", "order", "order.line.added"} {
				k.is("publish "+name, bus.Publish(k.Context(), eventbus.NewRaw(name, "a", "", nil)), eventbus.ErrInvalid)
			}
			bus.publish(order("a", 1))
			equal(k, "events handled", got.handled(1), []string{"a-1"})
		},
	},
	{
		name:    "Publish/EndedContext",
		promise: "Publishing with a context that has ended writes nothing, and says so.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{}, nil)
			cancelled, cancel := context.WithCancel(k.Context())
			cancel()
			k.is("publish with a cancelled context", bus.Publish(cancelled, order("a", 1)), context.Canceled)
			late, cancel := context.WithDeadline(k.Context(), time.Now().Add(-time.Second))
			defer cancel()
			k.is("publish with a late context", bus.Publish(late, order("a", 2)), context.DeadlineExceeded)
			bus.publish(order("a", 3))
			equal(k, "events handled", got.handled(1), []string{"a-3"})
		},
	},
	{
		name:    "Publish/NilContext",
		promise: "A nil context is an error and never a panic.",
		run: func(k *kit) {
			var none context.Context
			bus := k.open(eventbus.Options{})
			k.is("publish", bus.Publish(none, order("a", 1)), eventbus.ErrInvalid)
			_, err := bus.Subscribe(none, bus.filled(eventbus.Subscriber{Handler: k.recorder(nil)}))
			k.is("subscribe", err, eventbus.ErrInvalid)
			k.is("start", bus.Start(none), eventbus.ErrInvalid)
			bus.start()
		},
	},
}

// panicking is a payload whose encoder panics.
type panicking struct{}

// MarshalJSON panics.
func (panicking) MarshalJSON() ([]byte, error) { panic("no JSON today") }
