package rabbitbus

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// presence says that a member is there, from the moment that it has joined: by a consumer of a
// queue to which nobody sends. The queue of the group itself has a consumer only where the
// bus was started.
type presence struct {
	conn *conn
	ch   *amqp.Channel
}

// membersQueue is where the members of a group are counted.
func (t *transport) membersQueue(group string) declaration {
	return declaration{name: t.names.members(group), args: amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.QueueMaxLenArg: int64(1),
	}}
}

// appear makes the member present on a connection. With Options.Passive it is only where there
// is such a queue.
func (m *member) appear(ctx context.Context, c *conn) error {
	if m.present != nil && m.present.conn == c && !m.present.ch.IsClosed() {
		return nil
	}
	t := m.transport
	queue := t.membersQueue(m.group.Name)
	if t.options.Passive {
		if _, there, err := c.look(ctx, queue.name); err != nil || !there {
			return err
		}
	} else {
		c.lose(queue.name)
		if err := t.declare(ctx, c, queue); err != nil {
			return err
		}
	}
	ch, err := c.open(ctx)
	if err == nil {
		err = c.ask(ctx, func() error {
			if err := ch.Qos(1, 0, false); err != nil {
				return err
			}
			_, err := ch.Consume(queue.name, consumerTag, false, false, false, false, nil)
			return err
		})
	}
	if err != nil {
		if ch != nil {
			_ = c.ask(ctx, ch.Close)
		}
		return fmt.Errorf("rabbitbus: consume from %s: %w", queue.name, typed(err))
	}
	m.present = &presence{c, ch}
	return nil
}

// vanish is the end of it: on return the server has noted it.
func (p *presence) vanish(ctx context.Context) error {
	if p == nil || p.ch.IsClosed() {
		return nil
	}
	return p.conn.dismiss(ctx, p.ch)
}

// dismiss ends the consumer of a channel, and the channel, which takes a second at most.
func (c *conn) dismiss(ctx context.Context, ch *amqp.Channel) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := c.ask(ctx, func() error {
		if err := ch.Cancel(consumerTag, false); err != nil {
			return err
		}
		return ch.Close()
	})
	if err != nil && ch.IsClosed() {
		return nil // which is what was wanted
	}
	return typed(err)
}
