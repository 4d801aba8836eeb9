package rabbitbus

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// batch is what one Send sends over one lane.
type batch struct {
	transport *transport
	conn      *conn
	lane      *lane
	out       []outgoing
	headers   amqp.Table // of the message that is being published
	err       error      // why no more was published, or waited for
}

// outgoing is a message on its way.
type outgoing struct {
	envelope
	message   *engine.Message
	at        uint64 // where the line was before it
	confirmed *amqp.DeferredConfirmation
	err       error // it was not sent
}

// prepare finds the lane, and makes what the messages are sent to.
func (b *batch) prepare(ctx context.Context, shard uint32) error {
	t := b.transport
	c, err := t.publishing.get(ctx)
	if err == nil {
		err = c.taking()
	}
	if err == nil {
		err = t.exchange(ctx, c)
	}
	for i := range b.out {
		if err == nil && b.out[i].step > 0 {
			err = t.step(ctx, c, b.out[i].message.To.Group, b.out[i].step)
		}
	}
	if err == nil {
		b.conn = c
		b.lane, err = c.lane(ctx, shard)
	}
	return err
}

// publish hands the messages to the client, in order, as far as they go.
func (b *batch) publish(ctx context.Context) {
	b.err = b.conn.ask(ctx, func() error {
		return b.conn.line.holding(func() error {
			for i := range b.out {
				if err := b.publishOne(&b.out[i]); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// publishOne passes over what cannot be written as AMQP.
func (b *batch) publishOne(o *outgoing) (err error) {
	clear(b.headers) // the client has written those of the one before
	p := amqp.Publishing{Headers: b.headers}
	o.err = b.transport.fill(&p, &o.envelope, o.message)
	if o.err == nil {
		o.at = b.conn.line.position()
		o.confirmed, err = b.lane.ch.PublishWithDeferredConfirm(o.exchange, o.key, true, false, p)
	}
	return err
}
