package fault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/fault"
)

func TestDelayHoldsBackBothWaysAndKeepsOrder(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr, Seed: 7})
	c := connect(t, p)
	p.Delay(40*time.Millisecond, 10*time.Millisecond)
	began := time.Now()
	c.echo("hello\n")
	require.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond, "a round trip of twice 30 ms at least")
	for i := range 20 {
		c.say(strings.Repeat("x", i) + "\n")
	}
	for i := range 20 {
		c.hear(strings.Repeat("x", i) + "\n")
	}
}

func TestHealLetsTheDelayedGoAtOnce(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	p.Delay(time.Hour, 0)
	c.say("hello\n")
	p.Heal()
	c.hear("hello\n")
}

func TestThrottleBoundsTheRate(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	const rate, size = 200_000, 60_000
	p.Throttle(rate)
	began := time.Now()
	c.say(strings.Repeat("x", size-1) + "\n")
	_, err := c.r.ReadString('\n')
	require.NoError(t, err)
	least := time.Duration(size-rate/20) * time.Second / rate
	require.GreaterOrEqual(t, time.Since(began), least)

	p.Throttle(1) // a byte a second: nobody waits for it
	c.say(strings.Repeat("x", size-1) + "\n")
	p.Heal()
	_, err = c.r.ReadString('\n')
	require.NoError(t, err)
}

func TestThrottleIsFeltByTheSender(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	c.echo("hello\n")
	p.Throttle(1)
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
	n, err := c.Write(make([]byte, 64<<20))
	require.ErrorContains(t, err, "i/o timeout")
	require.Less(t, n, 32<<20, "the proxy holds a little back, and the kernel some megabytes")
}

func TestFrozenConnectionsAreHalfOpen(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	old := connect(t, p)
	old.echo("hello\n")
	p.Freeze()
	young := connect(t, p)
	leaver := connect(t, p)
	require.NoError(t, leaver.Close())
	old.say("held\n")
	young.say("held, too\n")
	old.silent(50 * time.Millisecond)
	young.silent(time.Millisecond)
	require.EqualValues(t, 1, s.lines.Load(), "of the lines one came before")
	require.EqualValues(t, 1, s.open.Load(), "the broker sees no new connection")

	p.Heal()
	old.hear("held\n")
	young.hear("held, too\n")
}

func TestAFrozenCloseIsSeenWhenThawed(t *testing.T) {
	s := serve(t)
	p := fault.NewProxy(t, fault.Options{Upstream: s.addr})
	c := connect(t, p)
	c.echo("hello\n")
	p.Freeze()
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return p.Open() == 0 }, patience, time.Millisecond)
	select {
	case <-s.ends:
		require.Fail(t, "the close has passed")
	case <-time.After(50 * time.Millisecond):
	}
	p.Heal()
	<-s.ends
	none(t, p, s)
}
