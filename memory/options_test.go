package memory

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// What is wrong is said all at once.
func TestOptions(t *testing.T) {
	bus, err := New(Options{
		Options:    eventbus.Options{Group: "a.b", Window: -1},
		Capacity:   -1,
		WhenFull:   FullMode(7),
		MaxLetters: 10_000_001,
	})
	require.Nil(t, bus)
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	require.ErrorContains(t, err, "eventbus: options: ")
	for _, field := range []string{"group: ", "window: ", "capacity: ", "when_full: ", "max_letters: "} {
		require.ErrorContains(t, err, field)
	}
	b, err := NewBroker(BrokerOptions{Capacity: 10_000_001, WhenFull: -1, MaxLetters: -1})
	require.Nil(t, b)
	for _, field := range []string{"capacity: ", "when_full: ", "max_letters: "} {
		require.ErrorContains(t, err, field)
	}
	bus, err = newBroker(t, BrokerOptions{}).Open(eventbus.Options{Hold: -1})
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	require.Nil(t, bus)
}

func TestDefaults(t *testing.T) {
	b := newBroker(t, BrokerOptions{})
	require.Equal(t, BrokerOptions{Capacity: 65_536, MaxLetters: 100_000, Clock: eventbus.SystemClock()}, b.options)
	bus, err := New(Options{Options: eventbus.Options{Group: "shop"}, Encode: true})
	require.NoError(t, err)
	require.NoError(t, bus.Shutdown(t.Context()))
	require.Equal(t, eventbus.Capabilities{LostByPowerFailure: "everything"}, Capabilities())
}
