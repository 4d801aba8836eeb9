package eventbus

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/scope"
)

// Handler handles the events of one subscriber.
//
// Handle is called from several goroutines, but never for two events of one
// aggregate at once while the subscriber is ordered and the handler returns when
// its context ends. nil acknowledges the event; an error is retried by the
// subscriber's policy and then buried, unless [Permanent], [RetryAfter] or
// [Suspend] says otherwise. A panic is an error. The event may be handed over
// again after a crash, so a handler should be idempotent by the event's ID.
type Handler interface {
	Handle(ctx context.Context, e DomainEvent) error
}

// HandlerFunc is a Handler made of a function. It takes every event type, so the
// subscriber must name patterns.
type HandlerFunc func(ctx context.Context, e DomainEvent) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, e DomainEvent) error { return f(ctx, e) }

// Middleware wraps a handler. The first of a list is the outermost. It runs
// inside the bus's own recovery, time-out and retry, once per attempt.
type Middleware func(next Handler) Handler

// Typed is implemented by handlers that declare which event types they take, as
// those of [On] and [Handlers] do.
type Typed interface {
	Handler
	// PayloadTypes returns the payload type of every event type that is taken.
	PayloadTypes() map[string]reflect.Type
}

// Event is a DomainEvent with its payload as a T.
type Event[T any] struct {
	DomainEvent
	Payload T
}

// On makes a Handler of a function that takes one payload type, whose
// EventType names the event type. The payload is the value as published where
// the event came by reference, else it is decoded from JSON; bytes that cannot
// be decoded bury the event as undecodable.
func On[T EventTyper](f func(ctx context.Context, e Event[T]) error) Handler {
	h := &typedHandler[T]{call: f}
	var zero T
	if reflect.TypeFor[T]().Kind() == reflect.Interface || reflect.TypeFor[T]().Kind() == reflect.Pointer {
		h.err = invalid("handler", "the payload must be a value type, neither pointer nor interface", reflect.TypeFor[T]().String())
		return h
	}
	name, aggregate, err := payloadNames(zero)
	if err == nil && !isName(name) {
		err = invalid("handler", "the event type of its payload must be dotted words of [A-Za-z0-9_-]", excerpt.Of(name))
	}
	h.name, h.aggregate, h.err = name, aggregate, err
	return h
}

type typedHandler[T EventTyper] struct {
	name, aggregate string
	call            func(context.Context, Event[T]) error
	err             error
}

func (h *typedHandler[T]) Handle(ctx context.Context, e DomainEvent) error {
	return h.HandleShared(ctx, &e, scope.Engine{})
}

// HandleShared is Handle without a copy of the event, which is large: it is for the
// engine alone.
func (h *typedHandler[T]) HandleShared(ctx context.Context, e *DomainEvent, _ scope.Engine) (err error) {
	if e.Type != h.name {
		return ErrUnknownType
	}
	var typed Event[T] // filled in place: each further copy would be felt
	var known bool
	if typed.Payload, known = e.Value().(T); !known {
		if typed.Payload, err = decodePayload[T](e.Type, e.Data()); err != nil {
			return err
		}
	}
	typed.DomainEvent = *e
	return h.call(ctx, typed)
}

func (h *typedHandler[T]) PayloadTypes() map[string]reflect.Type {
	return map[string]reflect.Type{h.name: reflect.TypeFor[T]()}
}

func (h *typedHandler[T]) validate() error {
	if h.err == nil && h.call == nil {
		return invalid("handler", "must not be nil", fmt.Sprintf("On[%s]", reflect.TypeFor[T]()))
	}
	return h.err
}

// Handlers makes one Handler with one case per event type, for example of a
// projection. Each must be [Typed], and no two may take the same type.
func Handlers(cases ...Handler) Handler {
	h := &caseHandler{cases: map[string]Handler{}, types: map[string]reflect.Type{}}
	for i, c := range cases {
		t, ok := c.(Typed)
		if !ok || isNil(c) {
			h.errs = append(h.errs, invalid("handler", fmt.Sprintf("case %d must be made by On or Handlers", i), fmt.Sprintf("%T", c)))
			continue
		}
		if err := validateHandler(c); err != nil {
			h.errs = append(h.errs, err)
			continue
		}
		for name, typ := range t.PayloadTypes() {
			if _, twice := h.cases[name]; twice {
				h.errs = append(h.errs, invalid("handler", "two cases take one event type", excerpt.Of(name)))
			}
			h.cases[name], h.types[name] = c, typ
		}
	}
	if len(cases) == 0 {
		h.errs = append(h.errs, invalid("handler", "Handlers needs at least one case", ""))
	}
	return h
}

type caseHandler struct {
	cases map[string]Handler
	types map[string]reflect.Type
	errs  []error
}

func (h *caseHandler) Handle(ctx context.Context, e DomainEvent) error {
	c, ok := h.cases[e.Type]
	if !ok {
		return ErrUnknownType
	}
	return c.Handle(ctx, e)
}

func (h *caseHandler) PayloadTypes() map[string]reflect.Type { return h.types }

func (h *caseHandler) validate() error { return joined(h.errs) }

func validateHandler(h Handler) error {
	if isNil(h) {
		return invalid("handler", "must not be nil", "")
	}
	if v, ok := h.(interface{ validate() error }); ok {
		return v.validate()
	}
	return nil
}

// Projection is anything that has a handler, such as a read model.
type Projection interface{ Handler() Handler }

// eventTypes returns the patterns that a handler declares.
func eventTypes(h Handler) []string {
	t, ok := h.(Typed)
	if !ok || validateHandler(h) != nil { // what is wrong with it is said by Validate
		return nil
	}
	var names []string
	for name := range t.PayloadTypes() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Delivery says which hand-over a handler is working on.
type Delivery struct {
	Group, Subscriber string
	Attempt           int // from 1
	Replays           int // how often it came back from the dead letters
}

// DeliveryOf returns the delivery whose handler was given ctx.
func DeliveryOf(ctx context.Context) (Delivery, bool) {
	d, ok := ctx.Value(scope.Delivery).(Delivery)
	return d, ok
}
