package rabbitbus

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// channels opens channels on a connection that is there, or is made for it. Whoever asked
// closes the channel; it ends with its connection.
type channels interface {
	channel(ctx context.Context) (*amqp.Channel, error)
}

var _ channels = (*link)(nil)
