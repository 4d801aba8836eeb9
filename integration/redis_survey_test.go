package integration_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestRedisTellsOfTheDead: of what a process left that is gone, and counts what the server
// does not know since entries were deleted.
func TestRedisTellsOfTheDead(t *testing.T) {
	r := newRedisRig(t, broker.Use(t, broker.Redis))
	stream := "{" + r.at.Prefix + ":order:0}"
	bus := r.bus(r.client(r.at.Server), redisbus.Options{Consumer: "alive"})
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})
	require.NoError(t, err)
	require.NoError(t, bus.Publish(t.Context(), anOrder("1"), anOrder("2"), anOrder("3"), anOrder("4"), anOrder("5")))
	read, err := r.raw.XReadGroup(t.Context(), &redis.XReadGroupArgs{
		Group: "shop.mailer", Consumer: "dead", Streams: []string{stream, ">"}, Count: 2,
	}).Result()
	require.NoError(t, err)

	tool := r.bus(r.client(r.at.Server), redisbus.Options{})
	info, err := tool.Group(t.Context(), "shop.mailer")
	require.NoError(t, err)
	ms, err := strconv.ParseInt(strings.Split(read[0].Messages[0].ID, "-")[0], 10, 64)
	require.NoError(t, err)
	require.Equal(t, eventbus.Backlog{Lag: 3, Pending: 2, OldestPending: time.UnixMilli(ms)}, info.Backlog)
	require.Len(t, info.Members, 2)
	require.Equal(t, eventbus.MemberInfo{Name: "alive", Alive: true}, info.Members[0])
	dead := info.Members[1]
	require.Equal(t, "dead 2 false", dead.Name+" "+strconv.Itoa(dead.Pending)+" "+strconv.FormatBool(dead.Alive))
	require.WithinDuration(t, time.Now(), dead.Seen, time.Minute)

	all, err := r.raw.XRange(t.Context(), stream, "-", "+").Result()
	require.NoError(t, err)
	require.NoError(t, r.raw.XDel(t.Context(), stream, all[3].ID).Err())
	info, err = tool.Group(t.Context(), "shop.mailer")
	require.NoError(t, err)
	require.Equal(t, 2, info.Lag, "one of them was deleted")
	stats, err := bus.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, stats.Subscribers[0].Waiting)

	require.NoError(t, r.raw.Del(t.Context(), stream).Err())
	info, err = tool.Group(t.Context(), "shop.mailer")
	require.NoError(t, err, "a stream that is not there holds nothing")
	require.Zero(t, info.Backlog)
	require.NoError(t, r.raw.Set(t.Context(), stream, "x", 0).Err())
	_, err = tool.Group(t.Context(), "shop.mailer")
	require.ErrorIs(t, err, redisbus.ErrWrongType)
	_, err = tool.Topics(t.Context())
	require.ErrorIs(t, err, redisbus.ErrWrongType)
	require.ErrorContains(t, err, stream)
}
