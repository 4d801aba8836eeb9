package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// calls is how often the server has run a command.
func (r *redisRig) calls(command string) (n int) {
	r.Helper()
	for line := range strings.Lines(r.raw.Info(r.Context(), "commandstats").Val()) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			_, err := fmt.Sscanf(rest, "%d", &n)
			require.NoError(r, err)
		}
	}
	return n
}

// TestRedisScriptsMoveALittleAtATime: the server is not blocked by many large events.
func TestRedisScriptsMoveALittleAtATime(t *testing.T) {
	r, _ := alone(t, broker.Options{})
	large := strings.Repeat("x", 256<<10)
	const events = 60
	require.NoError(t, r.raw.XGroupCreateMkStream(t.Context(), r.stream(), "shop.mailer", "0").Err())
	for i := range events {
		require.NoError(t, r.raw.XAdd(t.Context(), &redis.XAddArgs{Stream: r.stream(), ID: fmt.Sprintf("%d-9007199254740993", i+1), Values: []any{
			"ce", fmt.Sprintf(`{"specversion":"1.0","id":"%d","type":"order.created","source":"/x"}`, i), "data", large,
		}}).Err())
		name := fmt.Sprint("late", i)
		require.NoError(t, r.raw.HSet(t.Context(), r.stream()+":shop.mailer:held", name,
			`{"specversion":"1.0","id":"`+name+`","type":"order.created","source":"/x"}`+"\n"+large).Err())
		require.NoError(t, r.raw.ZAdd(t.Context(), r.stream()+":shop.mailer:later", redis.Z{Member: name}).Err())
	}
	require.NoError(t, r.raw.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "shop.mailer", Consumer: "dead", Streams: []string{r.stream(), ">"}, Count: events}).Err())
	got := &handled{}
	r.running(r.bus(r.raw, redisbus.Options{Retain: 10}), eventbus.Subscriber{Handler: got})
	require.Eventually(t, func() bool {
		return len(got.times()) == 2*events && r.raw.XLen(t.Context(), r.stream()).Val() <= 11
	}, 60*time.Second, 10*time.Millisecond)
	require.Greater(t, r.calls("xclaim"), events/8, "a takeover")
	require.Greater(t, r.calls("zrangebyscore"), events/8, "retries that are due")
	require.Greater(t, r.calls("xtrim"), 50/8, "trimming")
}

// TestRedisPublishesWhatIsLargeInPieces: each once and in order, and nothing behind a piece whose
// answer is lost: it would stand before what may be stored yet.
func TestRedisPublishesWhatIsLargeInPieces(t *testing.T) {
	b := broker.Start(t, broker.Redis, broker.Options{})
	r := newRedisRig(t, broker.Space{Server: b.Server, Prefix: "own"})
	bus := r.bus(r.client(b.Proxied()), redisbus.Options{})
	require.NoError(t, bus.Publish(t.Context(), anOrder("before")))
	var events []eventbus.DomainEvent
	for i := range 12 {
		events = append(events, eventbus.NewRaw("order.created", "a1", "text/plain", make([]byte, 900<<10)))
		events[i].ID = fmt.Sprintf("%02d", i)
	}
	swallowed := b.Proxy().SwallowReply("xadd", fault.ThenCut)
	var failed *eventbus.PublishError
	require.ErrorAs(t, bus.Publish(t.Context(), events...), &failed)
	<-swallowed
	require.Len(t, failed.Failed, len(events))
	unknown := 0
	for _, f := range failed.Failed {
		if errors.Is(f.Err, eventbus.ErrUnknown) {
			unknown++
			continue
		}
		require.ErrorIs(t, f.Err, eventbus.ErrRefused)
		require.ErrorContains(t, f.Err, "an earlier event of the call was not stored for certain")
	}
	require.Equal(t, 4, unknown, "those of one piece")
	entries, err := r.raw.XRange(t.Context(), r.stream(), "-", "+").Result()
	require.NoError(t, err)
	last := ""
	for _, e := range entries[1:] {
		_, rest, _ := strings.Cut(fmt.Sprint(e.Values["ce"]), `"id":"`)
		require.Greater(t, rest[:2], last)
		last = rest[:2]
	}
	require.LessOrEqual(t, last, "03", "nothing was sent behind them")
}

// TestRedisMovesOnceWithoutTheRights: a user who may do only a part of a move moves nothing
// twice, and loses nothing that he could not move.
func TestRedisMovesOnceWithoutTheRights(t *testing.T) {
	r, b := alone(t, broker.Options{})
	own := r.stream() + ":shop.mailer"
	may := func(right string) { require.NoError(t, r.raw.Do(t.Context(), "ACL", "SETUSER", "narrow", right).Err()) }
	require.NoError(t, r.raw.Do(t.Context(), "ACL", "SETUSER", "narrow", "on", ">geheim", "~*", "+@all").Err())
	c := redis.NewClient(&redis.Options{Addr: b.Addr, Username: "narrow", Password: "geheim"})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	bus := r.bus(c, redisbus.Options{})
	r.running(bus, eventbus.Subscriber{
		Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 5, Min: time.Millisecond, Max: time.Millisecond},
		Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { return errors.New("not yet") }),
	})
	q, _ := dlq.Of(r.bus(r.raw, redisbus.Options{}))
	buried := func(n int) {
		require.Eventually(t, func() bool {
			got, err := q.Count(t.Context(), dlq.Filter{})
			require.NoError(t, err)
			return got == n
		}, 10*time.Second, time.Millisecond)
	}
	require.NoError(t, r.raw.SAdd(t.Context(), "own:topics", "order").Err())
	may("-xadd")
	r.append(r.stream(), "1", "x")
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "permi") }, 10*time.Second, time.Millisecond)
	require.Zero(t, r.raw.XLen(t.Context(), own).Val()+r.raw.ZCard(t.Context(), own+":moved").Val())
	may("+xadd")
	buried(1)
	may("-pexpire")
	r.append(r.stream(), "2", "x")
	buried(2)
	added, err := r.raw.XInfoStream(t.Context(), own).Result()
	require.NoError(t, err)
	require.EqualValues(t, 2*4, added.EntriesAdded, "four retries of each, moved once each")
}
