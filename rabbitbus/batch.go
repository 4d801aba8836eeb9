package rabbitbus

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// batch is what one Send sends over one lane.
type batch struct {
	transport *transport
	conn      *conn
	lane      *lane
	out       []outgoing
	err       error // why no more was published, or waited for
}

// outgoing is a message on its way.
type outgoing struct {
	*envelope
	at        uint64 // where the line was before it
	confirmed *amqp.DeferredConfirmation
	err       error // it was not sent
}

// envelope is a message as the client takes it, and where it goes.
type envelope struct {
	exchange, key string
	place         string
	move          bool
	group         string        // of a move
	step          time.Duration // in which a retry waits; 0: none
	amqp.Publishing
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
			err = t.step(ctx, c, b.out[i].group, b.out[i].step)
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
				if b.out[i].err != nil {
					continue
				}
				if err := b.publishOne(&b.out[i]); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (b *batch) publishOne(o *outgoing) (err error) {
	o.at = b.conn.line.position()
	o.confirmed, err = b.lane.ch.PublishWithDeferredConfirm(o.exchange, o.key, true, false, o.Publishing)
	return err
}
