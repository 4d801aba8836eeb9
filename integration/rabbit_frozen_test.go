package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// A server that says nothing any more is found out by its heartbeats, and holds nothing up
// longer than its caller waits.
func TestRabbitSaysNothing(t *testing.T) {
	r, b := aloneRabbit(t)
	options := rabbitbus.Options{URL: b.Proxied().URL, Heartbeat: time.Second, Options: eventbus.Options{PublishTimeout: 2 * time.Second}}
	bus := r.bus(options)
	var got handled
	r.running(bus, eventbus.Subscriber{Handler: &got})
	require.NoError(t, bus.Publish(t.Context(), anOrder("o-1")))
	require.Eventually(t, func() bool { return got.times()["o-1"] == 1 }, 10*time.Second, time.Millisecond)

	b.Proxy().Freeze()
	begun := time.Now()
	require.ErrorIs(t, bus.Publish(t.Context(), anOrder("o-2")), eventbus.ErrUnknown)
	require.Less(t, time.Since(begun), 4*time.Second)
	large := eventbus.NewRaw("order.created", "a2", "application/octet-stream", make([]byte, 900<<10))
	for range 8 { // more than the socket takes
		begun = time.Now()
		require.Error(t, bus.Publish(t.Context(), large))
		require.Less(t, time.Since(begun), 4*time.Second)
	}
	b.Proxy().Heal()
	require.Eventually(t, func() bool { return bus.Publish(t.Context(), anOrder("o-3")) == nil }, 20*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return got.times()["o-3"] > 0 }, 20*time.Second, 10*time.Millisecond)

	b.Proxy().Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun = time.Now()
	_ = bus.Shutdown(ctx) // which may say that the server did not let go
	require.Less(t, time.Since(begun), 5*time.Second)
	require.NoError(t, bus.Shutdown(t.Context()), "it ends by itself")
	require.Less(t, time.Since(begun), 10*time.Second)
}

func TestRabbitComesBack(t *testing.T) {
	r, b := aloneRabbit(t)
	bus := r.bus(rabbitbus.Options{})
	var got handled
	r.running(bus, eventbus.Subscriber{Handler: &got})
	require.NoError(t, bus.Publish(t.Context(), anOrder("o-1")))
	b.Stop()
	err := make(chan error, 1)
	go func() { err <- bus.Publish(t.Context(), anOrder("o-2")) }()
	b.Start()
	require.NoError(t, <-err, "sent again until the server is back")
	require.Eventually(t, func() bool { n := got.times(); return n["o-1"] > 0 && n["o-2"] > 0 }, 30*time.Second, 10*time.Millisecond)
}
