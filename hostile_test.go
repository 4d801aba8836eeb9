package eventbus_test

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

type node struct {
	T        string
	Up, Down *node `json:"-"`
}

type badText struct{}

func (badText) MarshalText() ([]byte, error) { return []byte("\xff\xfe"), nil }

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { return []byte("\"\xff\""), nil }

// What the encoder would change or pass on in silence is refused, and only that.
func TestPayloadsAreUTF8(t *testing.T) {
	for name, v := range map[string]any{
		"raw": json.RawMessage("\"\xff\""), "text": badText{}, "json": badJSON{}, "map key": map[string]string{"\xff": "a"},
		"field": struct{ A string }{"\xff"}, "deep": []any{map[string]any{"a": []string{"x", "\xff"}}},
	} {
		require.ErrorIs(t, eventbus.Named("a.b", "1", v).Err(), eventbus.ErrInvalid, name)
	}
	n := &node{T: `\ufffd`}
	n.Up, n.Down = n, n
	require.NoError(t, eventbus.Named("a.b", "1", n).Err(), "a cycle that is not encoded")
	hidden := struct {
		A string
		B string `json:"-"`
	}{`\ufffd`, "\xff"}
	require.NoError(t, eventbus.Named("a.b", "1", hidden).Err())
}

type panicking struct{}

func (panicking) EventType() string { panic("no name") }

type listed []string

func (listed) EventType() string { return "list.made" }

type typed struct{ types map[string]reflect.Type }

func (t *typed) Handle(context.Context, eventbus.DomainEvent) error { return nil }

func (t *typed) PayloadTypes() map[string]reflect.Type { return t.types }

func TestBadArgumentsNeverPanic(t *testing.T) {
	require.ErrorContains(t, eventbus.New("1", panicking{}).Err(), "panicked: no name")
	bus, err := memory.New(memory.Options{})
	require.NoError(t, err)
	subscribe := func(h eventbus.Handler) error {
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "a", Handler: h})
		return err
	}
	require.ErrorIs(t, subscribe((*typed)(nil)), eventbus.ErrInvalid)
	require.ErrorIs(t, subscribe(&typed{map[string]reflect.Type{"a.b": nil}}), eventbus.ErrInvalid)
	require.ErrorIs(t, subscribe(eventbus.On(func(context.Context, eventbus.Event[panicking]) error { return nil })), eventbus.ErrInvalid)
	require.NoError(t, subscribe(eventbus.On(func(context.Context, eventbus.Event[listed]) error { return nil })))
	require.NoError(t, bus.Publish(t.Context(), eventbus.New("1", listed{"x"})))
	require.ErrorIs(t, eventbus.Run(nil, bus, time.Second), eventbus.ErrInvalid) //nolint:staticcheck // that is the point
	require.NoError(t, bus.Shutdown(t.Context()))
}

func TestDelayNeverOverflows(t *testing.T) {
	p := eventbus.RetryPolicy{Min: math.MaxInt64, Max: math.MaxInt64, Jitter: 0.5}.WithDefaults()
	require.Positive(t, p.Delay(1, 0.99))
}
