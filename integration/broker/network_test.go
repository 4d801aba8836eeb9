package broker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/internal/outcome"
)

// member is a Redis with a fixed address on the network.
func member(t testing.TB, n broker.Network, i int) *broker.Node {
	ports, err := broker.FreePorts(1)
	require.NoError(t, err)
	s := broker.Redis.At(ports...)
	return broker.Run(t, broker.Spec{
		Name: "Redis node", Image: broker.Redis.Image(), Ports: map[string]int{"6379/tcp": ports[0]},
		Network: n.Name, Host: "member", IP: n.IP(i),
		Ready: s.Ready,
	})
}

func TestAddressesOfANetworkStayWhoeverStartsFirst(t *testing.T) {
	n := broker.NewNetwork(t)
	a, b := member(t, n, 0), member(t, n, 1)
	require.NotEqual(t, n.IP(0), n.IP(1))
	a.Kill()
	b.Stop()
	broker.StartAll(b, a)
	require.Equal(t, n.IP(0), a.IP())
	require.Equal(t, n.IP(1), b.IP())
	require.Equal(t, "PONG\n", a.Exec("redis-cli", "-h", n.IP(1), "PING"))
	require.Equal(t, "Redis node", a.Name())
	require.Contains(t, a.LastWords(), "Ready to accept connections")
	require.Contains(t, outcome.Of(t, func(t testing.TB) { broker.StartAll(b.For(t)) }), "cannot start Redis node: it is running")
}

func TestANetworkGoesWithItsTest(t *testing.T) {
	var n broker.Network
	require.Empty(t, outcome.Of(t, func(t testing.TB) {
		n = broker.NewNetwork(t)
		member(t, n, 0)
	}))
	said := outcome.Of(t, func(t testing.TB) { member(t, n, 0) })
	require.Contains(t, said, n.Name+" not found")
}
