package rabbitbus

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A retry waits in a queue whose messages all wait equally long, then go to the group's own
// queue. A delay between those that there are is made of several: a message that comes too
// early is sent to the next step. It is late by the lowest step at most. Each group has a
// ladder of its own; see docs/adr/013.

// ladder returns the steps, the shortest first.
func ladder() []time.Duration {
	return []time.Duration{
		100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second,
		30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour,
	}
}

// stepFor is the longest step that is not too long by more than the lowest.
func stepFor(left time.Duration) time.Duration {
	steps := ladder()
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i] <= left+steps[0] {
			return steps[i]
		}
	}
	return steps[0]
}

// step declares where a group's retries wait for so long. It is there as long as the group:
// a queue that expires takes with it what is in it.
func (t *transport) step(ctx context.Context, c *conn, group string, d time.Duration) error {
	return t.declare(ctx, c, declaration{name: t.names.step(group, d), args: amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		amqp.QueueMessageTTLArg:     d.Milliseconds(),
		amqp.QueueOverflowArg:       amqp.QueueOverflowRejectPublish, // which at-least-once needs
		"x-dead-letter-exchange":    "",
		"x-dead-letter-routing-key": t.names.queue(group),
		"x-dead-letter-strategy":    "at-least-once",
	}})
}
