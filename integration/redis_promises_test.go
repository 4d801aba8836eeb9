package integration_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestRedisLosesTheReplyToARead: what stood in it is handled at once, not after the lease.
func TestRedisLosesTheReplyToARead(t *testing.T) {
	r, b := alone(t, broker.Options{})
	r.lease = time.Hour
	got := &handled{}
	bus := r.bus(r.client(b.Proxied()), redisbus.Options{})
	r.running(bus, eventbus.Subscriber{Handler: got})
	r.append(r.stream(), "before", "")
	require.Eventually(t, func() bool { return got.times()["before"] == 1 }, 10*time.Second, time.Millisecond)
	swallowed := b.Proxy().SwallowReply("xreadgroup", fault.ThenCut)
	for i := 0; ; i++ { // until one of them stands in the answer that is lost
		r.append(r.stream(), fmt.Sprint(i), "")
		select {
		case <-swallowed:
			require.Eventually(t, func() bool { return len(got.times()) == i+2 }, 10*time.Second, time.Millisecond)
			for id, n := range got.times() {
				require.Equal(t, 1, n, id)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestRedisBeginsWithWhatWasLeft: it is older than anything new.
func TestRedisBeginsWithWhatWasLeft(t *testing.T) {
	r := shared(t)
	r.left(20)
	r.append(r.stream(), "new", "")
	var mu sync.Mutex
	var order []string
	r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
		<-time.After(5 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		order = append(order, e.ID)
		return nil
	})})
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(order) == 21 }, 20*time.Second, time.Millisecond)
	require.Equal(t, "new", order[20])
}

// TestRedisLosesALease: the handler is told.
func TestRedisLosesALease(t *testing.T) {
	r := shared(t)
	running, ended := make(chan struct{}, 2), make(chan error, 2)
	bus := r.bus(r.raw, redisbus.Options{})
	r.running(bus, eventbus.Subscriber{Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
		running <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	})})
	place := r.append(r.stream(), "1", "")
	<-running
	thief := func() {
		require.NoError(t, r.raw.Do(t.Context(), "XCLAIM", r.stream(), "shop.mailer", "thief", 0, place, "JUSTID").Err())
	}
	thief()
	require.Eventually(t, func() bool { return len(ended) > 0 }, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, <-ended, eventbus.ErrInterrupted)
	p, err := r.raw.XPending(t.Context(), r.stream(), "shop.mailer").Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, p.Count, "and nothing is acknowledged")
}

// TestRedisTrimsNothingThatIsYoungOrOwed: whoever is about to find the topic finds it whole.
func TestRedisTrimsNothingThatIsYoungOrOwed(t *testing.T) {
	for name, owed := range map[string]bool{"young": false, "owed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := shared(t)
			for i := range 30 {
				id := "*"
				if owed {
					id = fmt.Sprintf("%d-1", i+1)
				}
				require.NoError(t, r.raw.XAdd(t.Context(), &redis.XAddArgs{Stream: r.stream(), ID: id, Values: []any{
					"ce", fmt.Sprintf(`{"specversion":"1.0","id":"%d","type":"order.created","source":"/x"}`, i),
				}}).Err())
			}
			if owed {
				require.NoError(t, r.raw.HSet(t.Context(), r.at.Prefix+":groups", "shop.other", "0 order.*").Err())
			}
			got := &handled{}
			r.running(r.bus(r.raw, redisbus.Options{Retain: 10}), eventbus.Subscriber{Handler: got})
			require.Eventually(t, func() bool { return len(got.times()) == 30 }, 20*time.Second, 10*time.Millisecond)
			require.Never(t, func() bool { return r.raw.XLen(t.Context(), r.stream()).Val() < 30 }, 7*time.Second, 100*time.Millisecond)
			if owed {
				require.Contains(t, r.log.String(), "longer than Options.Retain")
			}
		})
	}
}

// TestRedisMakesATopicKnownAgain: the server may have lost everything.
func TestRedisMakesATopicKnownAgain(t *testing.T) {
	r := shared(t)
	bus := r.bus(r.raw, redisbus.Options{})
	topics := r.at.Prefix + ":topics"
	require.NoError(t, bus.Publish(t.Context(), anOrder("1")))
	require.NoError(t, r.raw.Del(t.Context(), topics).Err())
	require.Eventually(t, func() bool {
		require.NoError(t, bus.Publish(t.Context(), anOrder("2")))
		return r.raw.SIsMember(t.Context(), topics, "order").Val()
	}, 5*time.Second, 100*time.Millisecond)
}
