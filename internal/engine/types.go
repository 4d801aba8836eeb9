package engine

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
)

// types binds payload types to event types, one to one. Looking up takes no lock.
type types struct {
	mu     sync.Mutex
	byName atomic.Pointer[map[string]reflect.Type]
	names  map[reflect.Type]string
}

// bindAll binds what a typed handler declares.
func (t *types) bindAll(h eventbus.Handler) error {
	typed, ok := h.(eventbus.Typed)
	if !ok {
		return nil
	}
	for name, typ := range typed.PayloadTypes() {
		if typ == nil {
			return &eventbus.ValidationError{Field: "handler", Rule: "PayloadTypes must not name a nil type", Value: fmt.Sprintf("%q", name)}
		}
		if err := t.bind(name, typ); err != nil {
			return err
		}
	}
	return nil
}

// binding is one that is known to be good: most events are like the one before.
type binding struct {
	of   *types // of which bus
	name string
	typ  reflect.Type
}

// bind binds the payload of an event, where it names its event type.
func (k *binding) bind(t *types, e *eventbus.DomainEvent) error {
	v := e.Value()
	if v == nil {
		return nil
	}
	typ := reflect.TypeOf(v)
	if k.typ == typ && k.of == t && k.name == e.Type {
		return nil
	}
	if _, ok := v.(eventbus.EventTyper); !ok {
		return nil
	}
	if err := t.bind(e.Type, typ); err != nil {
		return err
	}
	k.of, k.name, k.typ = t, e.Type, typ
	return nil
}

func (t *types) bind(name string, typ reflect.Type) error {
	if known := t.byName.Load(); known != nil {
		if bound, ok := (*known)[name]; ok {
			return same(name, bound, typ)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[string]reflect.Type{name: typ}
	if known := t.byName.Load(); known != nil {
		if bound, ok := (*known)[name]; ok {
			return same(name, bound, typ)
		}
		for n, b := range *known {
			next[n] = b
		}
	}
	if other, ok := t.names[typ]; ok {
		return &eventbus.ValidationError{
			Field: "payload", Value: typ.String(),
			Rule: fmt.Sprintf("a payload type has one event type, and this one is bound to %s already, not to %s", other, name),
		}
	}
	if t.names == nil {
		t.names = map[reflect.Type]string{}
	}
	t.names[typ] = name
	t.byName.Store(&next)
	return nil
}

// forget unbinds everything.
func (t *types) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byName.Store(nil)
	t.names = nil
}

func same(name string, bound, typ reflect.Type) error {
	if bound == typ {
		return nil
	}
	return &eventbus.ValidationError{
		Field: "payload", Value: typ.String(),
		Rule: fmt.Sprintf("the event type %s is bound to the payload type %s already", name, bound),
	}
}
