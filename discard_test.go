package eventbus_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

func nop(context.Context, eventbus.DomainEvent) error { return nil }

func worker(name string) eventbus.Subscriber {
	return eventbus.Subscriber{Name: name, Events: []string{"#"}, Handler: eventbus.HandlerFunc(nop)}
}

func order(id string) eventbus.DomainEvent {
	return eventbus.New(id, OrderCreated{Total: 1})
}

// Whatever a bus refuses, a bus that discards refuses with the very same words.
func TestDiscardRefusesAsTheMemoryBusDoes(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	twin := order("1").WithID("twin")
	for what, call := range map[string]func(eventbus.EventBus) error{
		"nothing":        func(b eventbus.EventBus) error { return b.Publish(t.Context()) },
		"nothing, ended": func(b eventbus.EventBus) error { return b.Publish(ended) },
		"an event":       func(b eventbus.EventBus) error { return b.Publish(t.Context(), order("1")) },
		"a bare event":   func(b eventbus.EventBus) error { return b.Publish(t.Context(), eventbus.DomainEvent{Type: "a.b"}) },
		"an empty event": func(b eventbus.EventBus) error { return b.Publish(t.Context(), eventbus.DomainEvent{ID: "1"}) },
		"one bad of two": func(b eventbus.EventBus) error {
			return b.Publish(t.Context(), order("1").WithID("a"), order("2").WithID("b").WithVersion(-1))
		},
		"twins": func(b eventbus.EventBus) error { return b.Publish(t.Context(), twin, twin) },
		"too many": func(b eventbus.EventBus) error {
			return b.Publish(t.Context(), make([]eventbus.DomainEvent, 100_001)...)
		},
		"nil ctx":   func(b eventbus.EventBus) error { return b.Publish(nil, order("1")) }, //nolint:staticcheck // that is the point
		"ended ctx": func(b eventbus.EventBus) error { return b.Publish(ended, order("1")) },
		"no handler": func(b eventbus.EventBus) error {
			_, err := b.Subscribe(t.Context(), eventbus.Subscriber{Name: "a"})
			return err
		},
		"bad name":        func(b eventbus.EventBus) error { _, err := b.Subscribe(t.Context(), worker("a.b")); return err },
		"same name again": func(b eventbus.EventBus) error { _, err := b.Subscribe(t.Context(), worker("taken")); return err },
		"nil ctx to join": func(b eventbus.EventBus) error { _, err := b.Subscribe(nil, worker("a")); return err }, //nolint:staticcheck // that is the point
		"ended to join":   func(b eventbus.EventBus) error { _, err := b.Subscribe(ended, worker("a")); return err },
		"nil ctx start":   func(b eventbus.EventBus) error { return b.Start(nil) }, //nolint:staticcheck // that is the point
		"ended ctx start": func(b eventbus.EventBus) error { return b.Start(ended) },
		"second start":    func(b eventbus.EventBus) error { return b.Start(t.Context()) },
		"nil ctx end":     func(b eventbus.EventBus) error { return b.Shutdown(nil) }, //nolint:staticcheck // that is the point
	} {
		for _, closed := range []bool{false, true} {
			var said []string
			for _, bus := range []eventbus.EventBus{newMemory(t), eventbus.Discard()} {
				_, err := bus.Subscribe(t.Context(), worker("taken"))
				require.NoError(t, err)
				require.NoError(t, bus.Start(t.Context()))
				if closed {
					require.NoError(t, bus.Shutdown(t.Context()))
				}
				err = call(bus)
				said = append(said, text(err))
			}
			require.Equal(t, said[0], said[1], "%s, closed %t", what, closed)
		}
	}
}

func text(err error) string {
	if err == nil {
		return "nil"
	}
	return err.Error()
}

func newMemory(t *testing.T) *memory.Bus {
	t.Helper()
	bus, err := memory.New(memory.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = bus.Shutdown(context.WithoutCancel(t.Context())) })
	return bus
}

func TestDiscardEndsItsSubscriptions(t *testing.T) {
	bus := eventbus.Discard()
	stopped, err := bus.Subscribe(t.Context(), worker("a"))
	require.NoError(t, err)
	stopped.Pause()
	stopped.Resume()
	require.ErrorIs(t, stopped.Stop(nil), eventbus.ErrInvalid) //nolint:staticcheck // that is the point
	require.NoError(t, stopped.Stop(t.Context()))
	require.NoError(t, stopped.Stop(t.Context()))
	<-stopped.Done()
	again, err := bus.Subscribe(t.Context(), worker("a"))
	require.NoError(t, err)
	require.NoError(t, stopped.Stop(t.Context()), "of the one that went before")
	select {
	case <-again.Done():
		t.Fatal("the second subscription has ended with the first one")
	default:
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { _ = bus.Shutdown(t.Context()); _ = again.Stop(t.Context()) })
	}
	all.Wait()
	<-again.Done()
	require.NoError(t, again.Err())
	require.NoError(t, bus.Shutdown(t.Context()))
}
