package memory_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

type noted struct{ Depth int }

func (noted) EventType() string { return "note.taken" }

// What one handler does to its event, or publishes meanwhile, no other handler sees.
func TestInlineHandlersShareNoEvent(t *testing.T) {
	t.Parallel()
	bus, err := memory.New(memory.Options{Mode: memory.Inline})
	require.NoError(t, err)
	var seen []string
	spoil := func(ctx context.Context, e eventbus.Event[noted]) error {
		e.AggregateID, e.Payload.Depth = "spoilt", e.Payload.Depth-1
		if e.Payload.Depth < 0 {
			return nil
		}
		return bus.Publish(ctx, eventbus.New("inner", e.Payload))
	}
	look := func(_ context.Context, e eventbus.DomainEvent) error {
		seen = append(seen, e.AggregateID)
		return nil
	}
	for name, h := range map[string]eventbus.Handler{"a": eventbus.On(spoil), "b": eventbus.HandlerFunc(look)} {
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: name, Events: []string{"note.taken"}, Handler: h})
		require.NoError(t, err)
	}
	require.NoError(t, bus.Publish(t.Context(), eventbus.New("outer", noted{Depth: 1})))
	require.ElementsMatch(t, []string{"inner", "outer"}, seen)
}
