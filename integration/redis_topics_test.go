package integration_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// manyTopics makes so many known.
func (r *redisRig) manyTopics(n int) (topics []string) {
	r.Helper()
	for i := range n {
		topics = append(topics, fmt.Sprint("t", i))
		require.NoError(r, r.raw.SAdd(r.Context(), r.at.Prefix+":topics", topics[i]).Err())
	}
	return topics
}

// alive reports whether a member of the group has given a sign of life.
func (r *redisRig) alive() bool {
	r.Helper()
	now, err := r.raw.Time(r.Context()).Result()
	require.NoError(r, err)
	n, err := r.raw.ZCount(r.Context(), r.at.Prefix+":members:shop.mailer", strconv.FormatInt(now.UnixMilli(), 10), "+inf").Result()
	require.NoError(r, err)
	return n > 0
}

// TestRedisFindsTopicsBesideManyFarAway: what there is to tidy up holds up nothing, however many
// topics there are and however far the server is.
func TestRedisFindsTopicsBesideManyFarAway(t *testing.T) {
	r, b := alone(t, broker.Options{})
	r.lease = 30 * time.Second
	r.manyTopics(300)
	b.Proxy().Delay(5*time.Millisecond, 0) // each way
	got := &handled{}
	bus := r.bus(r.client(b.Proxied()), redisbus.Options{Retain: 10})
	began := time.Now()
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: got})
	require.NoError(t, err)
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, bus.Start(t.Context()))
	publisher := r.bus(r.raw, redisbus.Options{})
	require.NoError(t, publisher.Publish(t.Context(), anOrder("first")))
	require.Eventually(t, func() bool { return len(got.times()) == 1 }, 30*time.Second, 10*time.Millisecond, "it has begun")
	for i := range 8 { // it tidies up every five seconds
		e := eventbus.NewRaw(fmt.Sprintf("new%d.created", i), "a1", "text/plain", []byte("x"))
		e.ID = fmt.Sprint(i)
		began := time.Now()
		require.NoError(t, publisher.Publish(t.Context(), e))
		require.Eventually(t, func() bool { require.True(t, r.alive()); return got.times()[e.ID] == 1 }, 30*time.Second, 10*time.Millisecond)
		require.Less(t, time.Since(began), 6*time.Second) // two, were there nothing else to do for the processor
	}
}

// TestRedisResetsAGroupOfManyTopicsFarAway in a few round trips.
func TestRedisResetsAGroupOfManyTopicsFarAway(t *testing.T) {
	r, b := alone(t, broker.Options{})
	topics := r.manyTopics(300)
	bus := r.bus(r.raw, redisbus.Options{})
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: &handled{}})
	require.NoError(t, err)
	for i, topic := range topics {
		e := eventbus.NewRaw(topic+".created", "a1", "text/plain", []byte("x"))
		e.ID = fmt.Sprint(i)
		require.NoError(t, bus.Publish(t.Context(), e))
	}
	require.NoError(t, bus.Shutdown(t.Context()))
	b.Proxy().Delay(10*time.Millisecond, 0)
	tool := r.bus(r.client(b.Proxied()), redisbus.Options{})
	began := time.Now()
	require.NoError(t, tool.ResetGroup(t.Context(), "shop.mailer", eventbus.Now()))
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, tool.ResetGroup(t.Context(), "shop.mailer", eventbus.Beginning()))
	got := &handled{}
	r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Events: []string{"#"}, Handler: got})
	require.Eventually(t, func() bool { return len(got.times()) == 300 }, 30*time.Second, 10*time.Millisecond)
}

// TestRedisTrimsManyTopics: each as far as it must, also where that takes more than one turn.
func TestRedisTrimsManyTopics(t *testing.T) {
	r, b := alone(t, broker.Options{})
	topics := r.manyTopics(25)
	for _, topic := range topics {
		_, err := r.raw.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			for i := range 2500 {
				p.XAdd(t.Context(), &redis.XAddArgs{Stream: "{own:" + topic + ":0}", ID: fmt.Sprintf("%d-1", i+1), Values: []any{"x", ""}})
			}
			return nil
		})
		require.NoError(t, err)
	}
	kept := "{own:t7:0}" // one group needs it
	require.NoError(t, r.raw.XGroupCreate(t.Context(), kept, "other.group", "1000-1").Err())
	b.Proxy().Delay(5*time.Millisecond, 0)
	bus := r.bus(r.client(b.Proxied()), redisbus.Options{Retain: 10})
	r.running(bus, eventbus.Subscriber{Events: []string{"#"}, From: eventbus.Now(), Handler: &handled{}})
	require.Eventually(t, func() bool {
		for _, topic := range topics {
			stream, want := "{own:"+topic+":0}", int64(10)
			if stream == kept {
				want = 1500
			}
			if r.raw.XLen(t.Context(), stream).Val() != want {
				return false
			}
		}
		return true
	}, 30*time.Second, 10*time.Millisecond)
	require.Contains(t, r.log.String(), "longer than Options.Retain")
}
