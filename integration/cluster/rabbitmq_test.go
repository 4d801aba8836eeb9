package cluster_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/cluster"
)

const queue = "orders"

// dial opens a channel that confirms. The test's end closes it.
func dial(t *testing.T, s broker.Server) *amqp.Channel {
	conn, err := amqp.DialConfig(s.URL, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), network, addr)
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return ch
}

// publish publishes n messages, each when the one before is confirmed, and adds them to
// what was confirmed.
func publish(t *testing.T, ch *amqp.Channel, n int, confirmed *[]string) {
	t.Helper()
	for range n {
		body := fmt.Sprint("message ", len(*confirmed))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		d, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, amqp.Publishing{
			Body: []byte(body), DeliveryMode: amqp.Persistent,
		})
		require.NoError(t, err)
		acked, err := d.WaitContext(ctx)
		cancel()
		require.NoError(t, err)
		require.True(t, acked)
		*confirmed = append(*confirmed, body)
	}
}

// drain takes whatever is there, which must be n messages at least.
func drain(t *testing.T, ch *amqp.Channel, n int) (bodies []string) {
	for {
		d, ok, err := ch.Get(queue, true)
		require.NoError(t, err)
		if !ok {
			require.GreaterOrEqual(t, len(bodies), n)
			return bodies
		}
		bodies = append(bodies, string(d.Body))
	}
}

func declare(t *testing.T, ch *amqp.Channel) {
	_, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, err)
}

func TestRabbitMQConfirmsWithTwoOfThreeAndLosesNothing(t *testing.T) {
	long(t)
	lap := took(t)
	c := cluster.RabbitMQ(t)
	lap("three nodes up")
	declare(t, dial(t, c.Servers[0]))
	c.AwaitReplicated()
	lap("quorum queue with three members")
	var confirmed []string
	publish(t, dial(t, c.Servers[0]), 10, &confirmed)

	first := c.Leader(queue)
	lap("leader found")
	other := dial(t, c.Servers[(first+1)%3])
	c.Nodes[first].Kill()
	publish(t, other, 10, &confirmed)
	lap("killed the leader's node, and published by way of another")
	second := c.Leader(queue)
	require.NotEqual(t, first, second)
	lap("the next leader found")

	c.Nodes[first].Start()
	lap("started again")
	c.AwaitReplicated()
	lap("a member again")
	publish(t, dial(t, c.Servers[first]), 10, &confirmed)

	// The one that came back is needed now: it holds what it had missed.
	c.Nodes[second].Kill()
	third := 3 - first - second
	publish(t, dial(t, c.Servers[third]), 10, &confirmed)
	lap("killed another, and published")
	require.Subset(t, drain(t, dial(t, c.Servers[first]), len(confirmed)), confirmed)
}

func TestRabbitMQComesBackWholeWhenAllWereKilled(t *testing.T) {
	long(t)
	c := cluster.RabbitMQ(t)
	ch := dial(t, c.Servers[0])
	declare(t, ch)
	c.AwaitReplicated()
	var confirmed []string
	publish(t, ch, 10, &confirmed)
	for _, n := range c.Nodes {
		n.Kill()
	}
	lap := took(t)
	broker.StartAll(c.Nodes...)
	c.AwaitReplicated()
	lap("all started again, and members")
	require.Subset(t, drain(t, dial(t, c.Servers[2]), len(confirmed)), confirmed)
}
