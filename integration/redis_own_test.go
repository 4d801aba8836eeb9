package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestRedisLosesTheReplyToAMove: it is repeated, and there once.
func TestRedisLosesTheReplyToAMove(t *testing.T) {
	r, b := alone(t, broker.Options{})
	bus := r.bus(r.client(b.Proxied()), redisbus.Options{})
	var attempts atomic.Int32
	seen, lost := make(chan struct{}), make(chan (<-chan struct{}), 1)
	r.running(bus, eventbus.Subscriber{
		Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 2, Min: time.Millisecond},
		Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
			if attempts.Add(1) == 1 {
				lost <- b.Proxy().SwallowReply("eventbus-origin", fault.ThenCut)
				return errors.New("not yet")
			}
			close(seen) // panics at a third attempt
			return nil
		}),
	})
	require.NoError(t, bus.Publish(t.Context(), anOrder("moved")))
	<-<-lost
	<-seen
	require.Eventually(t, func() bool { return r.raw.XLen(t.Context(), r.stream()+":shop.mailer").Val() == 0 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 2, attempts.Load())
}

func TestRedisHandsOverAtOnceAtAGoodEnd(t *testing.T) {
	r := shared(t)
	r.lease = time.Hour
	stop := make(chan struct{})
	var once sync.Once
	running := make(chan struct{})
	first := r.bus(r.raw, redisbus.Options{})
	r.running(first, eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
		once.Do(func() { close(running) })
		<-stop
		return nil
	})})
	var events []eventbus.DomainEvent
	for i := range 20 {
		events = append(events, anOrder(fmt.Sprint(i)))
	}
	require.NoError(t, first.Publish(t.Context(), events...))
	<-running
	got := &handled{}
	r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Handler: got})
	time.AfterFunc(100*time.Millisecond, func() { close(stop) })
	require.NoError(t, first.Shutdown(t.Context()))
	require.Eventually(t, func() bool { return len(got.times()) == 19 }, 20*time.Second, time.Millisecond)
	for id, n := range got.times() {
		require.Equal(t, 1, n, id)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the last one is acknowledged after it was handled
		consumers, err := r.raw.XInfoConsumers(t.Context(), r.stream(), "shop.mailer").Result()
		require.NoError(c, err)
		for _, x := range consumers {
			assert.Zero(c, x.Pending, x.Name)
		}
	}, 10*time.Second, time.Millisecond)
}

func TestRedisSyncCountsReplicas(t *testing.T) {
	r := shared(t)
	bus := r.bus(r.raw, redisbus.Options{Sync: redisbus.Sync{Replicas: 1, Timeout: 50 * time.Millisecond}})
	err := bus.Publish(t.Context(), anOrder("1"))
	require.ErrorIs(t, err, eventbus.ErrUnknown)
	require.ErrorContains(t, err, "on 0 of 1 replicas")
	require.EqualValues(t, 1, r.raw.XLen(t.Context(), r.stream()).Val())
	disk := r.bus(r.raw, redisbus.Options{Sync: redisbus.Sync{Disk: true, Timeout: 5 * time.Second}})
	require.NoError(t, disk.Publish(t.Context(), anOrder("2")))
}

func TestRedisDeletedEntriesAreToldAndNotHandled(t *testing.T) {
	r := shared(t)
	victim, line := func() (*redisbus.Bus, *line) {
		l := &line{}
		c, err := redisClient(r.at.Server, l.dial)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return r.bus(c, redisbus.Options{}), l
	}()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	running := make(chan struct{}, 10)
	r.running(victim, eventbus.Subscriber{Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
		running <- struct{}{}
		<-forever
		return nil
	})})
	require.NoError(t, victim.Publish(t.Context(), anOrder("1"), anOrder("2")))
	<-running
	line.cut()
	entries, err := r.raw.XRange(t.Context(), r.stream(), "-", "+").Result()
	require.NoError(t, err)
	require.NoError(t, r.raw.XDel(t.Context(), r.stream(), entries[0].ID).Err())
	got := &handled{}
	r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Handler: got})
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, map[string]int{"2": 1}, got.times())
		assert.Contains(c, r.log.String(), "deleted or trimmed before they were handled")
	}, 20*time.Second, 10*time.Millisecond)
}

func TestRedisKeepsItsHandsOffTheClient(t *testing.T) {
	r := shared(t)
	o, err := redis.ParseURL(r.at.URL)
	require.NoError(t, err)
	o.MaxRetries, o.ReadTimeout, o.WriteTimeout, o.PoolSize, o.MinIdleConns = -1, -1, -1, 1, 1
	c := redis.NewClient(o)
	bus := r.bus(c, redisbus.Options{})
	got := &handled{}
	r.running(bus, eventbus.Subscriber{Handler: got})
	require.NoError(t, bus.Publish(t.Context(), anOrder("1")))
	require.Eventually(t, func() bool { return len(got.times()) == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, c.Close(), "the caller may close it when he likes")
	require.NoError(t, bus.Publish(t.Context(), anOrder("2")))
	require.Eventually(t, func() bool { return len(got.times()) == 2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, bus.Shutdown(t.Context()))
	q, ok := dlq.Of(bus)
	require.True(t, ok)
	_, err = q.Count(t.Context(), dlq.Filter{})
	require.ErrorIs(t, err, eventbus.ErrClosed)
}
