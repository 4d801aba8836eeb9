package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// left makes the group, and leaves so many events with a consumer that is gone.
func (r *redisRig) left(events int) {
	r.Helper()
	ctx := r.Context()
	require.NoError(r, r.raw.SAdd(ctx, r.at.Prefix+":topics", "order").Err())
	require.NoError(r, r.raw.XGroupCreateMkStream(ctx, r.stream(), "shop.mailer", "0").Err())
	claim := []any{"XCLAIM", r.stream(), "shop.mailer", "dead", 0}
	for i := range events {
		claim = append(claim, r.append(r.stream(), fmt.Sprint(i), "x"))
	}
	require.NoError(r, r.raw.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "shop.mailer", Consumer: "dead", Streams: []string{r.stream(), ">"}, Count: int64(events)}).Err())
	require.NoError(r, r.raw.Do(ctx, append(claim, "IDLE", 86_400_000, "JUSTID")...).Err())
}

// append publishes as another program would.
func (r *redisRig) append(stream, id, data string) (place string) {
	r.Helper()
	place, err := r.raw.XAdd(r.Context(), &redis.XAddArgs{Stream: stream, Values: []any{
		"ce", `{"specversion":"1.0","id":"` + id + `","type":"order.created","source":"/x"}`, "data", data,
	}}).Result()
	require.NoError(r, err)
	return place
}

// TestRedisLosesTheReplyToATakeover: what was taken over by an answer that never came is
// handled by the same process, if there is no other.
func TestRedisLosesTheReplyToATakeover(t *testing.T) {
	r, b := alone(t, broker.Options{})
	warm := r.bus(r.raw, redisbus.Options{}) // the server has the scripts then
	r.running(warm, eventbus.Subscriber{Events: []string{"other.*"}, Handler: &handled{}})
	require.Eventually(t, func() bool {
		c, err := r.raw.XInfoConsumers(t.Context(), "{own:other:0}", "shop.mailer").Result()
		return err == nil && len(c) > 0
	}, 10*time.Second, time.Millisecond, "the reader reads when the heir has looked")
	require.NoError(t, warm.Shutdown(t.Context()))
	r.left(3)
	got := &handled{}
	bus := r.bus(r.client(b.Proxied()), redisbus.Options{})
	swallowed := b.Proxy().SwallowReply(" heir-", fault.ThenCut)
	r.running(bus, eventbus.Subscriber{Handler: got})
	select {
	case <-swallowed:
	case <-time.After(20 * time.Second):
		t.Fatal("no heir has looked")
	}
	require.Eventually(t, func() bool { return len(got.times()) == 3 }, 10*time.Second, time.Millisecond)
	for id, n := range got.times() {
		require.Equal(t, 1, n, id)
	}
}

// TestRedisKeepsTheLeaseOfWhatWaitsForTheWindow: two streams are read at once, and what has no
// room yet is not handed over a second time.
func TestRedisKeepsTheLeaseOfWhatWaitsForTheWindow(t *testing.T) {
	r := shared(t)
	var calls atomic.Int32
	r.running(r.bus(r.raw, redisbus.Options{Options: eventbus.Options{Window: 1}}), eventbus.Subscriber{
		Unordered: true, Concurrency: 4,
		Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
			calls.Add(1)
			<-time.After(3 * r.lease)
			return nil
		}),
	})
	_, err := r.raw.TxPipelined(t.Context(), func(p redis.Pipeliner) error { // one read finds both
		for _, s := range []string{r.stream(), r.stream() + ":shop.mailer"} {
			p.XAdd(t.Context(), &redis.XAddArgs{Stream: s, Values: []any{"ce", `{"specversion":"1.0","id":"1","type":"order.created","source":"/x"}`}})
		}
		return nil
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		for _, s := range []string{r.stream(), r.stream() + ":shop.mailer"} {
			if p, err := r.raw.XPending(t.Context(), s, "shop.mailer").Result(); err != nil || p.Count > 0 {
				return false
			}
		}
		return calls.Load() >= 2
	}, 30*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 2, calls.Load())
}

// TestRedisGivesBackHoweverMuch: a large window is given back as a whole.
func TestRedisGivesBackHoweverMuch(t *testing.T) {
	r := shared(t)
	r.lease = time.Hour
	const events = 2500
	first := r.bus(r.raw, redisbus.Options{Options: eventbus.Options{Window: 5000}})
	r.running(first, eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
		<-ctx.Done()
		return ctx.Err()
	})})
	var many []eventbus.DomainEvent
	for i := range events {
		many = append(many, anOrder(fmt.Sprint(i)))
	}
	require.NoError(t, first.Publish(t.Context(), many...))
	require.Eventually(t, func() bool {
		p, err := r.raw.XPending(t.Context(), r.stream(), "shop.mailer").Result()
		return err == nil && p.Count == events
	}, 20*time.Second, 10*time.Millisecond)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, first.Shutdown(ended))
	got := &handled{}
	r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Handler: got})
	require.Eventually(t, func() bool { return len(got.times()) == events }, 30*time.Second, 10*time.Millisecond)
}

// TestRedisHandlesWhatIsLargeOverASlowLine: an answer that cannot come in time is asked for
// in smaller parts.
func TestRedisHandlesWhatIsLargeOverASlowLine(t *testing.T) {
	r, b := alone(t, broker.Options{})
	c := r.client(b.Proxied())
	c.Options().ReadTimeout = 500 * time.Millisecond // and a second to wait
	got := &handled{}
	bus := r.bus(c, redisbus.Options{})
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: got})
	require.NoError(t, err)
	for i := range 40 {
		r.append(r.stream(), fmt.Sprint(i), strings.Repeat("x", 64<<10))
	}
	b.Proxy().Throttle(512 << 10)
	require.NoError(t, bus.Start(t.Context()))
	require.Eventually(t, func() bool { return len(got.times()) == 40 }, 60*time.Second, 10*time.Millisecond)
}

// TestRedisGoesOnBesideATopicThatIsSpoilt: what is wrong with one topic stops no other.
func TestRedisGoesOnBesideATopicThatIsSpoilt(t *testing.T) {
	r := shared(t)
	got := &handled{}
	bus := r.bus(r.raw, redisbus.Options{})
	r.running(bus, eventbus.Subscriber{Events: []string{"#"}, Handler: got})
	require.NoError(t, r.raw.Set(t.Context(), "{"+r.at.Prefix+":a:0}", "mine", 0).Err())
	require.NoError(t, r.raw.SAdd(t.Context(), r.at.Prefix+":topics", "a").Err())
	require.NoError(t, bus.Publish(t.Context(), anOrder("1")))
	require.Eventually(t, func() bool { return got.times()["1"] == 1 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "WRONGTYPE") }, 10*time.Second, time.Millisecond, "and it is told of")
}

// TestRedisTrimsWhenMemoryIsFull: it is what makes room.
func TestRedisTrimsWhenMemoryIsFull(t *testing.T) {
	r, _ := alone(t, broker.Options{})
	got := &handled{}
	r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Handler: got})
	for i := range 200 {
		require.NoError(t, r.raw.XAdd(t.Context(), &redis.XAddArgs{Stream: r.stream(), ID: fmt.Sprintf("%d-1", i+1), Values: []any{
			"ce", fmt.Sprintf(`{"specversion":"1.0","id":"%d","type":"order.created","source":"/x"}`, i), "data", strings.Repeat("x", 10_000),
		}}).Err())
	}
	require.Eventually(t, func() bool { return len(got.times()) == 200 }, 20*time.Second, 10*time.Millisecond)
	r.running(r.bus(r.raw, redisbus.Options{Retain: 10}), eventbus.Subscriber{Name: "trimmer", Events: []string{"order.*"}, Handler: &handled{}})
	require.NoError(t, r.raw.ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	require.Eventually(t, func() bool { return r.raw.XLen(t.Context(), r.stream()).Val() == 10 }, 30*time.Second, 10*time.Millisecond)
}

// TestRedisKnowsWhatAGroupAsksForAfterAFlush: or its events would be trimmed before it comes back.
func TestRedisKnowsWhatAGroupAsksForAfterAFlush(t *testing.T) {
	r, _ := alone(t, broker.Options{})
	r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Events: []string{"order.*", "bill.*"}, Handler: &handled{}})
	require.NoError(t, r.raw.FlushAll(t.Context()).Err())
	require.Eventually(t, func() bool {
		words := strings.Fields(r.raw.HGet(t.Context(), "own:groups", "shop.mailer").Val())
		return slices.Equal(words, []string{"0", "order.*", "bill.*"})
	}, 10*time.Second, 10*time.Millisecond)
}

// TestRedisEndsBesideAServerThatDoesNotAnswer: nothing of the bus is left, though the caller's
// options have no time-outs.
func TestRedisEndsBesideAServerThatDoesNotAnswer(t *testing.T) {
	r, b := alone(t, broker.Options{})
	o, err := redis.ParseURL(b.URL)
	require.NoError(t, err)
	o.ReadTimeout, o.WriteTimeout = -1, -1
	c := redis.NewClient(o)
	bus := r.bus(c, redisbus.Options{})
	r.running(bus, eventbus.Subscriber{Events: []string{"#"}, Handler: &handled{}})
	b.Pause()
	<-time.After(2 * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	_ = bus.Shutdown(ctx)
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, bus.Shutdown(t.Context()), "it has come to an end")
	began = time.Now()
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = r.bus(c, redisbus.Options{}).Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: &handled{}})
	require.Error(t, err)
	require.Less(t, time.Since(began), 5*time.Second)
	b.Unpause()
	require.NoError(t, c.Close())
}

// TestRedisWritesDownAGroupAgain: also where only that was deleted.
func TestRedisWritesDownAGroupAgain(t *testing.T) {
	r := newRedisRig(t, broker.Use(t, broker.Redis))
	bus := r.bus(r.raw, redisbus.Options{})
	r.running(bus, eventbus.Subscriber{Handler: &handled{}})
	require.NoError(t, r.raw.Del(t.Context(), r.at.Prefix+":groups").Err())
	require.Eventually(t, func() bool {
		groups, err := bus.Groups(t.Context())
		require.NoError(t, err)
		return len(groups) == 1 && groups[0] == "shop.mailer"
	}, 20*time.Second, 10*time.Millisecond)
}

// TestRedisReplaysWhatFailsAgainAfterAReset: a letter comes back under its ID where the group
// was made again, and its second replay is no repetition of the first.
func TestRedisReplaysWhatFailsAgainAfterAReset(t *testing.T) {
	r := newRedisRig(t, broker.Use(t, broker.Redis))
	bus := r.bus(r.raw, redisbus.Options{})
	var failing atomic.Bool
	failing.Store(true)
	good := make(chan struct{}, 10)
	r.running(bus, eventbus.Subscriber{Retry: eventbus.RetryPolicy{Attempts: 1}, Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
		if failing.Load() {
			return errors.New("not yet")
		}
		good <- struct{}{}
		return nil
	})})
	q, _ := dlq.Of(bus)
	require.NoError(t, bus.Publish(t.Context(), anOrder("1")))
	for range 2 {
		require.Eventually(t, func() bool {
			n, err := q.Count(t.Context(), dlq.Filter{})
			require.NoError(t, err)
			return n == 1
		}, 20*time.Second, 10*time.Millisecond)
		failing.Store(false)
		res, err := q.Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
		require.NoError(t, err)
		require.Equal(t, 1, res.Replayed)
		select {
		case <-good:
		case <-time.After(20 * time.Second):
			t.Fatal("the replayed event was not handled")
		}
		failing.Store(true)
		require.NoError(t, r.raw.XGroupDestroy(t.Context(), r.stream(), "shop.mailer").Err())
	}
}

// TestRedisHealthTellsOfAMemberInTrouble: though its sources work.
func TestRedisHealthTellsOfAMemberInTrouble(t *testing.T) {
	r := newRedisRig(t, broker.Use(t, broker.Redis))
	bus := r.bus(r.raw, redisbus.Options{})
	r.running(bus, eventbus.Subscriber{Handler: &handled{}})
	require.NoError(t, bus.Health(t.Context()))
	members := r.at.Prefix + ":members:shop.mailer"
	require.NoError(t, r.raw.Del(t.Context(), members).Err())
	require.NoError(t, r.raw.Set(t.Context(), members, "x", 0).Err())
	require.Eventually(t, func() bool { return errors.Is(bus.Health(t.Context()), redisbus.ErrWrongType) }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, r.raw.Del(t.Context(), members).Err())
	require.Eventually(t, func() bool { return bus.Health(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond)
}
