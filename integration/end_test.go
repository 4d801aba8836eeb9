package integration_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
)

// busOn makes a bus that ends with the test at the latest.
func busOn(t *testing.T, s broker.Server, prefix string) eventbus.EventBus {
	t.Helper()
	log := &lockedBuffer{}
	bus, closeClient, err := openBus(s, busOptions{
		Options: eventbus.Options{Group: "shop", Logger: slog.New(slog.NewTextHandler(log, nil))}, prefix: prefix, lease: 30 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		_ = bus.Shutdown(ctx)
		_ = closeClient()
		if t.Failed() {
			t.Log(log)
		}
	})
	return bus
}

// TestShutdownDuringABurst: each Publish returns, with what happened.
func TestShutdownDuringABurst(t *testing.T) {
	onEach(t, func(t *testing.T, k broker.Kind) {
		at := broker.Use(t, k)
		got := &handled{}
		reader := busOn(t, at.Server, at.Prefix)
		_, err := reader.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: got})
		require.NoError(t, err)
		require.NoError(t, reader.Start(t.Context()))
		var stored atomic.Int64
		for round := range max(5, scaledTimes(20)) {
			bus := busOn(t, at.Server, at.Prefix)
			enough := stored.Load() + int64(scaledTimes(10_000))
			var publishers sync.WaitGroup
			for p := range 64 {
				publishers.Go(func() {
					for i := 0; ; i++ {
						err := bus.Publish(t.Context(), anOrder(strconv.Itoa(round)+"-"+strconv.Itoa(p)+"-"+strconv.Itoa(i)))
						if err != nil {
							if !errors.Is(err, eventbus.ErrClosed) {
								t.Errorf("publish: %v", err)
							}
							return
						}
						stored.Add(1)
					}
				})
			}
			require.Eventually(t, func() bool { return stored.Load() >= enough }, time.Minute, time.Millisecond)
			require.NoError(t, bus.Shutdown(t.Context()))
			publishers.Wait()
			require.Eventually(t, func() bool { return int64(len(got.times())) >= stored.Load() }, time.Minute, 10*time.Millisecond)
		}
		require.NoError(t, reader.Shutdown(t.Context()))
		require.Len(t, got.times(), int(stored.Load()), "what was told to be stored is there, and nothing else")
		for id, n := range got.times() {
			require.Equal(t, 1, n, id)
		}
	})
}

// TestTheServerBeginsBehindTheBus: what cannot subscribe yet can later, on the same bus, and is
// subscribed then once and as a whole.
func TestTheServerBeginsBehindTheBus(t *testing.T) {
	onEach(t, func(t *testing.T, k broker.Kind) {
		b := broker.Start(t, k, broker.Options{})
		b.Stop()
		bus := busOn(t, b.Server, "own")
		got := &handled{}
		s := eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: got}
		subscribe := func() error { _, err := bus.Subscribe(t.Context(), s); return err }
		began := time.Now()
		require.Error(t, subscribe())
		require.Error(t, bus.Start(t.Context()))
		require.Less(t, time.Since(began), 5*time.Second, "it fails fast")
		for comes := time.Now().Add(scaled(30 * time.Second)); time.Now().Before(comes); {
			<-time.After(100 * time.Millisecond)
			require.Error(t, subscribe())
		}
		b.Start()
		require.Eventually(t, func() bool { return subscribe() == nil }, recovers(k), 10*time.Millisecond)
		require.ErrorIs(t, subscribe(), eventbus.ErrDuplicate)
		require.NoError(t, bus.Start(t.Context()))
		for i := range 100 {
			require.NoError(t, bus.Publish(t.Context(), anOrder(strconv.Itoa(i))))
		}
		require.Eventually(t, func() bool { return len(got.times()) == 100 }, 10*time.Second, time.Millisecond)
		for id, n := range got.times() {
			require.Equal(t, 1, n, id)
		}
		g, err := bus.(eventbus.Inspector).Group(t.Context(), "shop.mailer")
		require.NoError(t, err)
		alive := 0
		for _, m := range g.Members {
			if m.Alive {
				alive++
			}
		}
		require.Equal(t, 1, alive)
	})
}
