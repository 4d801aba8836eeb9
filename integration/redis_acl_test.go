package integration_test

import (
	"bufio"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// documentedUsers makes the users of docs/redis.md, as they stand there, on the server.
func documentedUsers(t *testing.T, c *redis.Client) (names []string) {
	t.Helper()
	f, err := os.Open("../docs/redis.md")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 3 || words[0] != "ACL" {
			continue
		}
		args := make([]any, len(words))
		for i, w := range words {
			args[i] = w
		}
		require.NoError(t, c.Do(t.Context(), args...).Err())
		names = append(names, words[2])
	}
	return names
}

// TestRedisRightsAsDocumented: what is written there suffices for what it says, on the
// oldest server and on the newest.
func TestRedisRightsAsDocumented(t *testing.T) {
	for _, image := range []string{"", broker.OldestRedis} {
		b := broker.Start(t, broker.Redis, broker.Options{Image: image})
		r := newRedisRig(t, broker.Space{Server: b.Server, Prefix: "eventbus"})
		require.Equal(t, []string{"producer", "consumer", "operator"}, documentedUsers(t, r.raw))
		as := func(user string) *redisbus.Bus {
			c := redis.NewClient(&redis.Options{Addr: b.Addr, Username: user, Password: "secret"})
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			return r.bus(c, redisbus.Options{Retain: 1})
		}
		got := &handled{}
		failing := eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { return errTransient })
		consumer := as("consumer")
		for _, s := range []eventbus.Subscriber{
			{Name: "good", Events: []string{"#"}, Handler: got},
			{Name: "bad", Events: []string{"order.*"}, Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 2, Min: time.Millisecond}, Handler: failing},
		} {
			_, err := consumer.Subscribe(t.Context(), s)
			require.NoError(t, err)
		}
		require.NoError(t, consumer.Start(t.Context()))

		producer := as("producer")
		require.NoError(t, producer.Start(t.Context()))
		require.NoError(t, producer.Publish(t.Context(), anOrder("1"), anOrder("2")))
		require.NoError(t, producer.Shutdown(t.Context()))

		operator := as("operator")
		q, _ := dlq.Of(operator)
		require.Eventually(t, func() bool {
			n, err := q.Count(t.Context(), dlq.Filter{})
			require.NoError(t, err)
			return n == 2 && len(got.times()) == 2
		}, 20*time.Second, 10*time.Millisecond)
		res, err := q.Replay(t.Context(), dlq.Filter{Subscriber: "bad"}, dlq.ReplayOptions{})
		require.NoError(t, err)
		require.Equal(t, 2, res.Replayed, res.Errors)
		require.Eventually(t, func() bool {
			n, err := q.Count(t.Context(), dlq.Filter{})
			require.NoError(t, err)
			return n == 2
		}, 20*time.Second, 10*time.Millisecond)
		n, err := q.Purge(t.Context(), dlq.All)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, consumer.Health(t.Context()))
		_, err = consumer.Stats(t.Context())
		require.NoError(t, err)
		require.NoError(t, consumer.Shutdown(t.Context()))
		groups, err := operator.Groups(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"shop.bad", "shop.good"}, groups)
		topics, err := operator.Topics(t.Context())
		require.NoError(t, err)
		require.Equal(t, []eventbus.TopicInfo{{Name: "order", Length: 2, Groups: groups}}, topics)
		info, err := operator.Group(t.Context(), "shop.good")
		require.NoError(t, err)
		require.Zero(t, info.Lag+info.Pending)
		require.NoError(t, operator.ResetGroup(t.Context(), "shop.good", eventbus.Beginning()))
		info, err = operator.Group(t.Context(), "shop.good")
		require.NoError(t, err)
		require.Equal(t, 2, info.Lag)
		require.NoError(t, operator.DeleteGroup(t.Context(), "shop.bad"))
		require.NotContains(t, r.log.String(), "permi")
		require.NotContains(t, r.log.String(), "NOPERM")
	}
}
