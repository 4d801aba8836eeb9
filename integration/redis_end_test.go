package integration_test

import (
	"context"
	"runtime"
	"strconv"
	"strings"
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
