package integration_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bustest"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/cluster"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// threeNodes is a cluster, and a server that stands for all of its nodes.
func threeNodes(t *testing.T) (*cluster.RabbitMQCluster, broker.Server) {
	t.Helper()
	if testing.Short() {
		t.Skip("three nodes take two cores for themselves: make faults")
	}
	c := cluster.RabbitMQ(t)
	all := c.Servers[0]
	var addrs []string
	for _, s := range c.Servers {
		addrs = append(addrs, s.Addr)
	}
	all.Addr = strings.Join(addrs, ",")
	return c, all
}

// The bus keeps every promise on a cluster too.
func TestRabbitConformanceOnThreeNodes(t *testing.T) {
	_, all := threeNodes(t)
	var spaces atomic.Int64
	bustest.Run(t, bustest.Backend{
		Capabilities: rabbitbus.Capabilities(),
		Space: func(testing.TB) bustest.Space {
			at := broker.Space{Server: all, Prefix: fmt.Sprint("space", spaces.Add(1))}
			s := &rabbitSpace{at: at, lines: map[eventbus.EventBus]*line{}}
			return bustest.Space{Open: s.open, Crash: s.crash, Inject: s.inject}
		},
	})
}

// Nothing is lost where the node that leads the group's queue is killed, five times.
func TestRabbitLeaderIsKilled(t *testing.T) {
	c, all := threeNodes(t)
	l := newLoad(t, all, loadOptions{events: 20_000})
	l.serve()
	l.serve()
	c.AwaitReplicated()
	l.publish()
	for i := range 5 {
		l.until(15 + 15*i)
		l.through(func() {
			leader := c.Leader(loadPrefix + "." + loadGroup + "." + loadName + ".0")
			l.fault(c.Nodes[leader].Kill)
			l.lasts(2 * time.Second)
			c.Nodes[leader].Start()
			c.AwaitReplicated()
		})
	}
	require.NoError(t, l.judge().Err())
	l.stop()
}
