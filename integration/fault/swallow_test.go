package fault_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/fault"
)

func TestASwallowedReplyThenCut(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c, other := connect(t, p), connect(t, p)
	swallowed := p.SwallowReply("XADD", fault.ThenCut)
	c.echo("GET\n")
	c.say("XADD stream\n")
	require.NoError(t, c.lost())
	within(t, swallowed)
	require.EqualValues(t, 2, s.lines.Load(), "the request has reached the broker")
	other.echo("XADD once only\n")
}

func TestASwallowedReplyThenSilence(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	swallowed := p.SwallowReply("XADD", fault.ThenSilence)
	c.say("XADD stream\n")
	within(t, swallowed)
	require.EqualValues(t, 1, s.lines.Load())
	c.say("XADD more\n")
	c.silent(50 * time.Millisecond)
	require.EqualValues(t, 1, s.lines.Load(), "a silent connection passes nothing on")
	connect(t, p).echo("XADD of another\n")
	p.Heal()
	c.lost()
}

func TestASwallowedRequest(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	c.echo("GET\n")
	swallowed := p.SwallowRequest("XADD")
	c.say("XADD stream\n")
	within(t, swallowed)
	c.say("XADD more\n")
	c.silent(50 * time.Millisecond)
	require.EqualValues(t, 1, s.lines.Load(), "the request has not reached the broker")
	other := connect(t, p)
	other.echo("XADD of another\n")
	require.NoError(t, c.Close())
	require.NoError(t, other.Close())
	none(t, p, s)
}

func TestAClientMayLeaveASilentConnection(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	swallowed := p.SwallowReply("", fault.ThenSilence)
	c.say("anything\n")
	within(t, swallowed)
	require.NoError(t, c.Close())
	none(t, p, s)
}

func TestAMatchMayComeInManyPieces(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	c.echo("a line\n")
	swallowed := p.SwallowReply("XADD\nGET\nXADD", fault.ThenCut)
	p.SwallowReply("a longer match that never comes, whatever is said", fault.ThenCut)
	c.echo("XADD\n") // the echo shows that the proxy has read each piece alone
	c.echo("GET\n")
	c.say("XADD\n")
	require.NoError(t, c.lost())
	within(t, swallowed)
	require.EqualValues(t, 4, s.lines.Load())
}

func TestRepliesReadBeforeTheMatchArePassedOn(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	p.SwallowReply("XADD", fault.ThenCut)
	c.say("GET\n")
	require.Eventually(t, func() bool { return s.lines.Load() == 1 }, patience, time.Millisecond)
	c.hear("GET\n")
	p.Delay(20*time.Millisecond, 0)
	c.say("XADD\n")
	require.NoError(t, c.lost())
}

func TestHealDisarms(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	p.SwallowReply("XADD", fault.ThenCut)
	p.Heal()
	connect(t, p).echo("XADD\n")
}

func TestSwallowedRepliesOfRedis(t *testing.T) {
	for name, then := range map[string]fault.Then{"cut": fault.ThenCut, "silence": fault.ThenSilence} {
		t.Run(name, func(t *testing.T) {
			broker := miniredis.RunT(t)
			p := fault.NewProxy(t, fault.Options{Upstream: broker.Addr()})
			client := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1, ReadTimeout: 300 * time.Millisecond})
			t.Cleanup(func() { client.Close() })
			add := func(ctx context.Context) error {
				return client.XAdd(ctx, &redis.XAddArgs{Stream: "orders", Values: []string{"id", "1"}}).Err()
			}
			require.NoError(t, add(t.Context()))
			swallowed := p.SwallowReply("xadd", then)
			require.Error(t, add(t.Context()))
			within(t, swallowed)
			require.NoError(t, add(t.Context()))
			n, err := client.XLen(t.Context(), "orders").Result()
			require.NoError(t, err)
			require.EqualValues(t, 3, n, "the one that failed is stored, too")
		})
	}
}

func TestRedisThroughCutAndHeal(t *testing.T) {
	broker := miniredis.RunT(t)
	p := fault.NewProxy(t, fault.Options{Upstream: broker.Addr()})
	client := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1, DialerRetries: 1})
	for range 50 {
		require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
		p.Cut()
		require.Error(t, client.Set(t.Context(), "k", "w", 0).Err())
		p.Heal()
		require.Eventually(t, func() bool { return client.Ping(t.Context()).Err() == nil }, patience, time.Millisecond)
	}
	require.NoError(t, client.Close())
	require.Eventually(t, func() bool { return p.Open() == 0 }, patience, time.Millisecond)
}
