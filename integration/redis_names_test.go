package integration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestRedisTellsOfTwoOfOneName: which is not allowed. It is logged, and when one of them leaves,
// the other is still a member.
func TestRedisTellsOfTwoOfOneName(t *testing.T) {
	const says = "another instance of the group has the same Options.Consumer"
	r := shared(t)
	first, second := r.bus(r.raw, redisbus.Options{Consumer: "same"}), r.bus(r.raw, redisbus.Options{Consumer: "same"})
	got := &handled{}
	r.running(first, eventbus.Subscriber{Handler: got})
	require.NotContains(t, r.log.String(), says)
	r.running(second, eventbus.Subscriber{Handler: got})
	require.Contains(t, r.log.String(), says)
	tool := r.bus(r.raw, redisbus.Options{})
	only := []eventbus.MemberInfo{{Name: "same", Alive: true}}
	members := func() []eventbus.MemberInfo {
		g, err := tool.Group(t.Context(), "shop.mailer")
		require.NoError(t, err)
		for i := range g.Members {
			g.Members[i].Seen = time.Time{}
		}
		return g.Members
	}
	require.Equal(t, only, members())
	require.NoError(t, first.Shutdown(t.Context()))
	require.Equal(t, only, members())
	require.ErrorIs(t, tool.DeleteGroup(t.Context(), "shop.mailer"), eventbus.ErrInvalid)
	require.NoError(t, second.Shutdown(t.Context()))
	require.NoError(t, tool.DeleteGroup(t.Context(), "shop.mailer"))
}

// TestRedisComesBackUnderItsName: after a good end nothing is told.
func TestRedisComesBackUnderItsName(t *testing.T) {
	r := shared(t)
	for range 2 {
		bus := r.bus(r.raw, redisbus.Options{Consumer: "mine"})
		r.running(bus, eventbus.Subscriber{Handler: &handled{}})
		require.NoError(t, bus.Shutdown(t.Context()))
	}
	require.NotContains(t, r.log.String(), "WARN")
}
