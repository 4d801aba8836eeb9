package eventtest

import (
	"context"
	"fmt"
	"reflect"

	"github.com/seed-28af575d/eventbus"
)

// Only is [Recorder.Only] by payload type. The payload is decoded as for a handler of
// [eventbus.On]; if it cannot be, the test ends.
func Only[T eventbus.EventTyper](r *Recorder) eventbus.Event[T] {
	r.tb.Helper()
	return decode[T](r, r.only(byType[T](r)))
}

// None is [Recorder.None] by payload type.
func None[T eventbus.EventTyper](r *Recorder) {
	r.tb.Helper()
	r.none(byType[T](r))
}

// All returns what was published so far with this payload type, in order.
func All[T eventbus.EventTyper](r *Recorder) []eventbus.Event[T] {
	r.tb.Helper()
	var all []eventbus.Event[T]
	for _, e := range r.now(byType[T](r)) {
		all = append(all, decode[T](r, e))
	}
	return all
}

// Wait is [Recorder.Wait] by payload type.
func Wait[T eventbus.EventTyper](ctx context.Context, r *Recorder) eventbus.Event[T] {
	r.tb.Helper()
	return decode[T](r, r.wait(ctx, byType[T](r), 1)[0])
}

// byType asks for the event type of the payload type.
func byType[T eventbus.EventTyper](r *Recorder) query {
	r.tb.Helper()
	h := eventbus.On(func(context.Context, eventbus.Event[T]) error { return nil })
	typed, _ := h.(eventbus.Typed)
	for name := range typed.PayloadTypes() {
		if name != "" {
			return query{fmt.Sprintf("%s (%s)", name, reflect.TypeFor[T]()), func(e eventbus.DomainEvent) bool { return e.Type == name }}
		}
	}
	r.tb.Fatalf("eventtest: %s is no payload type: it must be a value type whose EventType names an event type", reflect.TypeFor[T]())
	return query{}
}

// decode returns the event with its payload, as a handler gets it.
func decode[T eventbus.EventTyper](r *Recorder, e eventbus.DomainEvent) (out eventbus.Event[T]) {
	r.tb.Helper()
	h := eventbus.On(func(_ context.Context, got eventbus.Event[T]) error {
		out = got
		return nil
	})
	if err := h.Handle(r.tb.Context(), e); err != nil {
		r.fatal("the payload of %s %s cannot be decoded: %v", e.Type, e.ID, err)
	}
	return out
}
