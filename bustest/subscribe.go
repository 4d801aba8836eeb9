package bustest

import (
	"context"
	"errors"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

var subscribing = []test{
	{
		name:    "Subscribe/NoHandler",
		promise: "What cannot handle events is refused when it subscribes, not when the first event comes.",
		run: func(k *kit) {
			r := k.recorder(nil)
			var noObject *recorder
			var noFunction eventbus.HandlerFunc
			var noTyped func(context.Context, eventbus.Event[orderCreated]) error
			for what, h := range map[string]eventbus.Handler{
				"no handler":                 nil,
				"a nil object":               noObject,
				"a nil function":             noFunction,
				"a nil typed function":       eventbus.On(noTyped),
				"a pointer as payload":       eventbus.On(func(context.Context, eventbus.Event[*orderCreated]) error { return nil }),
				"an interface as payload":    eventbus.On(func(context.Context, eventbus.Event[eventbus.EventTyper]) error { return nil }),
				"no cases":                   eventbus.Handlers(),
				"a nil case":                 eventbus.Handlers(onCreated(r), nil),
				"a case that is not typed":   eventbus.Handlers(r),
				"two cases for one type":     eventbus.Handlers(onCreated(r), onCreated(r)),
				"a payload with a bad name":  eventbus.On(func(context.Context, eventbus.Event[misnamed]) error { return nil }),
				"two payloads for one type":  eventbus.Handlers(onCreated(r), onImpostor(r)),
				"a case with a nil function": eventbus.Handlers(onCreated(r), eventbus.On(noTyped)),
			} {
				bus := k.open(eventbus.Options{})
				_, err := bus.Subscribe(k.Context(), eventbus.Subscriber{Name: "worker", Events: []string{"#"}, Handler: h})
				k.is("subscribe "+what, err, eventbus.ErrInvalid)
				k.says("subscribe "+what, as[*eventbus.ValidationError](k, "subscribe "+what, err), "handler: ")
			}
		},
	},
	{
		name:    "Subscribe/BadSettings",
		promise: "Everything that is wrong with a subscriber is reported at once, by field.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			_, err := bus.Subscribe(k.Context(), eventbus.Subscriber{
				Name: "no.dots", Group: strings.Repeat("g", 101), Handler: k.recorder(nil), Events: []string{"order.*", "or der"},
				Retry: eventbus.RetryPolicy{Attempts: -1, Jitter: 2}, Timeout: -1, Concurrency: -1, Unmatched: 7,
			})
			k.is("subscribe", err, eventbus.ErrInvalid)
			k.says("subscribe", err, "name: ", "group: ", "events: ", "retry.attempts: ", "retry.jitter: ", "timeout: ", "concurrency: ", "unmatched: ")
			_, err = bus.Subscribe(k.Context(), eventbus.Subscriber{Name: "worker", Handler: k.recorder(nil)})
			k.says("subscribe without patterns", err, "events: required")
		},
	},
	{
		name:    "Subscribe/LongRetries",
		promise: "An ordered subscriber whose retries could take longer than the bus holds an event is refused; an unordered one is not.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{Hold: 10 * k.unit()})
			s := eventbus.Subscriber{Name: "worker", Events: []string{"#"}, Handler: k.recorder(nil), Retry: k.retry(30)}
			_, err := bus.Subscribe(k.Context(), s)
			k.is("subscribe", err, eventbus.ErrInvalid)
			k.says("subscribe", err, "retry: ")
			s.Unordered = true
			bus.subscribe(s)
		},
	},
	{
		name:    "Subscribe/TwiceOneName",
		promise: "One bus has one subscription under a name; the second is refused and the first goes on.",
		run: func(k *kit) {
			bus, got := k.running(eventbus.Options{}, eventbus.Subscriber{Name: "worker"}, nil)
			_, err := bus.Subscribe(k.Context(), bus.filled(eventbus.Subscriber{Name: "worker", Handler: k.recorder(nil)}))
			k.is("subscribe again", err, eventbus.ErrDuplicate)
			bus.handle(eventbus.Subscriber{Name: "worker", Group: "other-service"}, nil)
			bus.publish(orders(1, 3)...)
			equal(k, "events handled", got.handled(3), ids(orders(1, 3)))
		},
	},
	{
		name:    "Subscribe/OneTypeOneName",
		promise: "A bus refuses a second payload type for one event type, and names both.",
		run: func(k *kit) {
			bus, r := k.open(eventbus.Options{}), k.recorder(nil)
			bus.subscribe(eventbus.Subscriber{Name: "first", Handler: onCreated(r)})
			_, err := bus.Subscribe(k.Context(), eventbus.Subscriber{Name: "second", Handler: onImpostor(r)})
			k.is("subscribe with another type", err, eventbus.ErrInvalid)
			k.says("subscribe with another type", err, "order.created", "orderCreated", "impostor")
			err = bus.Publish(k.Context(), eventbus.New("a", impostor{}))
			k.is("publish another type", err, eventbus.ErrInvalid)
		},
	},
	{
		name:    "Subscribe/EndedContext",
		promise: "Subscribing with a context that has ended does nothing, and leaves the name free.",
		run: func(k *kit) {
			ended, cancel := context.WithCancelCause(k.Context())
			cancel(errors.New("never mind"))
			bus, r := k.open(eventbus.Options{}), k.recorder(nil)
			_, err := bus.Subscribe(ended, bus.filled(eventbus.Subscriber{Handler: r}))
			k.is("subscribe", err, context.Canceled)
			bus.subscribe(eventbus.Subscriber{Handler: r})
			bus.start()
			bus.publish(order("a", 1))
			equal(k, "events handled", r.handled(1), []string{"a-1"})
		},
	},
	{
		name:    "Subscribe/AfterStart",
		promise: "A subscriber that joins a running bus handles events at once.",
		run: func(k *kit) {
			bus := k.open(eventbus.Options{})
			bus.start()
			got := bus.handle(eventbus.Subscriber{}, nil)
			bus.publish(orders(2, 3)...)
			inOrder(k, got.handled(6), orders(2, 3))
		},
	},
}

// misnamed is a payload whose event type is not a legal one.
type misnamed struct{}

func (misnamed) EventType() string { return "not a name" }

// impostor is a second payload for orderCreated's event type.
type impostor struct{}

func (impostor) EventType() string { return "order.created" }

func onImpostor(r *recorder) eventbus.Handler {
	return eventbus.On(func(ctx context.Context, e eventbus.Event[impostor]) error { return r.Handle(ctx, e.DomainEvent) })
}
