package rabbitbus

import (
	"context"
	"errors"
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
	return p.conn.dismiss(ctx, p.ch, parting{})
}

// certainMemberCount is how many members the group has, for who acts on it. Of a quorum queue that takes more
// than a quarter of a second to answer the server says that it has no consumers. So we are one too,
// and believe what we are counted in.
func (t *transport) certainMemberCount(ctx context.Context, c *conn, group string) (n int, err error) {
	queue := t.names.members(group)
	if _, there, err := c.look(ctx, queue); err != nil || !there {
		return 0, err
	}
	ch, err := c.open(ctx)
	if err != nil {
		return 0, fmt.Errorf("rabbitbus: open a channel: %w", typed(err))
	}
	defer func() { err = errors.Join(err, c.dismiss(ctx, ch, parting{})) }()
	err = c.ask(ctx, func() error {
		_, err := ch.Consume(queue, consumerTag, false, false, false, false, nil)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("rabbitbus: consume from %s: %w", queue, typed(err))
	}
	q, _, err := c.look(ctx, queue)
	if err == nil && q.Consumers == 0 {
		err = fmt.Errorf("rabbitbus: look at queue %s: the server does not know its consumers at the moment", queue)
	}
	return q.Consumers - 1, err
}

// parting is what to mind at the end of a consumer.
type parting struct {
	queue, mark string
	alone       bool // the next consumer begins when this one is cancelled
}

// say cancels the consumer, since the queue is through with what was acknowledged by then: with
// many acknowledgements under way some would be lost. Where another one would begin before what
// this one holds is back, one that waits behind it is cancelled in its place.
func (f parting) say(ch *amqp.Channel) error {
	tag := consumerTag
	if f.alone {
		tag = "eventbus-last"
		if _, err := ch.Consume(f.queue, tag, false, false, false, false, nil); err != nil {
			return err
		}
	}
	if err := ch.Cancel(tag, false); err != nil {
		return err
	}
	if f.mark != "" {
		if _, err := ch.QueueDelete(f.mark, false, false, false); err != nil {
			return err
		}
	}
	return ch.Close()
}

// dismiss ends the consumer of a channel, and the channel, which takes a second at most.
func (c *conn) dismiss(ctx context.Context, ch *amqp.Channel, last parting) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := c.ask(ctx, func() error { return last.say(ch) })
	if err != nil && ch.IsClosed() {
		return nil // which is what was wanted
	}
	return typed(err)
}
