package integration_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestRedisShutdownInTime: also when the server answers nothing any more.
func TestRedisShutdownInTime(t *testing.T) {
	b := broker.Start(t, broker.Redis, broker.Options{})
	r := newRedisRig(t, broker.Space{Server: b.Server, Prefix: "own"})
	for name, harm := range map[string]func(){
		"half-open": b.Proxy().Freeze, "cut": b.Proxy().Cut, "slow": func() { b.Proxy().Delay(3*time.Second, 0) },
	} {
		bus := r.bus(r.client(b.Proxied()), redisbus.Options{})
		running, stop := make(chan struct{}, 100), make(chan struct{})
		r.running(bus, eventbus.Subscriber{Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
			running <- struct{}{}
			<-stop
			return nil
		})})
		require.NoError(t, bus.Publish(t.Context(), anOrder(name)))
		<-running
		harm()
		close(stop)
		go func() { _ = bus.Publish(context.WithoutCancel(t.Context()), anOrder(name+" late")) }()
		const deadline = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		began := time.Now()
		_ = bus.Shutdown(ctx)
		took := time.Since(began)
		cancel()
		b.Proxy().Heal()
		require.Less(t, took, deadline+2*time.Second, name)
	}
}

// TestRedisShutdownDuringABurst: each Publish returns, with what happened.
func TestRedisShutdownDuringABurst(t *testing.T) {
	r := shared(t)
	burst := scaledTimes(10_000)
	for round := range max(5, scaledTimes(20)) {
		bus := r.bus(r.raw, redisbus.Options{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		stored := 0
		for p := range 64 {
			wg.Go(func() {
				for i := 0; ; i++ {
					err := bus.Publish(t.Context(), anOrder(strconv.Itoa(round)+"-"+strconv.Itoa(p)+"-"+strconv.Itoa(i)))
					if err != nil {
						if !errors.Is(err, eventbus.ErrClosed) {
							t.Errorf("publish: %v", err)
						}
						return
					}
					mu.Lock()
					stored++
					mu.Unlock()
				}
			})
		}
		require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return stored >= burst }, time.Minute, time.Millisecond)
		require.NoError(t, bus.Shutdown(t.Context()))
		wg.Wait()
		require.EqualValues(t, stored, r.raw.XLen(t.Context(), r.stream()).Val())
		require.NoError(t, r.raw.Del(t.Context(), r.stream()).Err())
	}
}

// TestRedisLeavesNothingBehind: goroutines here, connections and consumers there.
func TestRedisLeavesNothingBehind(t *testing.T) {
	r, _ := alone(t, broker.Options{})
	cycles := 50
	if testing.Short() {
		cycles = 10
	}
	clients := func() int {
		return len(strings.Split(strings.TrimSpace(r.raw.ClientList(t.Context()).Val()), "\n"))
	}
	cycle := func(i int) {
		bus := r.bus(r.raw, redisbus.Options{})
		got := &handled{}
		r.running(bus, eventbus.Subscriber{Handler: got})
		require.NoError(t, bus.Publish(t.Context(), anOrder(strconv.Itoa(i))))
		require.Eventually(t, func() bool { return len(got.times()) == 1 }, 10*time.Second, time.Millisecond)
		require.NoError(t, bus.Shutdown(t.Context()))
	}
	cycle(-1)
	goroutines, connections := runtime.NumGoroutine(), clients()
	for i := range cycles {
		cycle(i)
	}
	require.Eventually(t, func() bool {
		return runtime.NumGoroutine() <= goroutines+2 && clients() <= connections+1
	}, 10*time.Second, 10*time.Millisecond, "%d goroutines of %d, %d connections of %d", runtime.NumGoroutine(), goroutines, clients(), connections)
	consumers, err := r.raw.XInfoConsumers(t.Context(), r.stream(), "shop.mailer").Result()
	require.NoError(t, err)
	require.Empty(t, consumers)
	require.Zero(t, r.raw.ZCard(t.Context(), r.at.Prefix+":members:shop.mailer").Val())
}

// TestRedisBeginsBehindTheBus: what cannot subscribe yet can later, on the same bus, and is
// subscribed then once and as a whole.
func TestRedisBeginsBehindTheBus(t *testing.T) {
	t.Parallel()
	r, b := alone(t, broker.Options{})
	b.Stop()
	bus := r.bus(r.raw, redisbus.Options{})
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
	require.Eventually(t, func() bool { return subscribe() == nil }, 5*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, subscribe(), eventbus.ErrDuplicate)
	require.NoError(t, bus.Start(t.Context()))
	for i := range 100 {
		require.NoError(t, bus.Publish(t.Context(), anOrder(strconv.Itoa(i))))
	}
	require.Eventually(t, func() bool { return len(got.times()) == 100 }, 10*time.Second, time.Millisecond)
	for id, n := range got.times() {
		require.Equal(t, 1, n, id)
	}
	consumers, err := r.raw.XInfoConsumers(t.Context(), r.stream(), "shop.mailer").Result()
	require.NoError(t, err)
	require.LessOrEqual(t, len(consumers), sourcesOfATopic)
	require.EqualValues(t, 1, r.raw.ZCard(t.Context(), r.at.Prefix+":members:shop.mailer").Val())
}
