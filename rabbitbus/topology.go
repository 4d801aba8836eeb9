package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// declaration is a durable queue that is to be there.
type declaration struct {
	name string
	args amqp.Table
}

// consumerTimeout is how long the server lets a delivery be under way. The engine gives up
// handlers much sooner; a retry that is held in its lane must not end the channel.
const consumerTimeout = 24 * time.Hour

// groupQueue is where a group's events wait. Nothing of it is ever dropped or rejected: how
// often an event was delivered is the engine's to judge; see docs/adr/013.
func (t *transport) groupQueue(group string) declaration {
	d := declaration{name: t.names.queue(group), args: amqp.Table{
		amqp.QueueTypeArg:       amqp.QueueTypeQuorum,
		amqp.QueueOverflowArg:   amqp.QueueOverflowRejectPublish,
		amqp.ConsumerTimeoutArg: consumerTimeout.Milliseconds(),
		"x-delivery-limit":      int64(-1),
	}}
	if t.options.Classic { // which knows no limit
		d.args[amqp.QueueTypeArg] = amqp.QueueTypeClassic
		delete(d.args, "x-delivery-limit")
	}
	if t.options.SingleActiveConsumer {
		d.args[amqp.SingleActiveConsumerArg] = true
	}
	return d
}

// exchange makes sure of the exchange, once on each connection.
func (t *transport) exchange(ctx context.Context, c *conn) error {
	if c.knows(t.names.exchange()) {
		return nil
	}
	err := c.briefly(ctx, func(ch *amqp.Channel) error {
		if t.options.Passive {
			return ch.ExchangeDeclarePassive(t.names.exchange(), t.options.ExchangeType, true, false, false, false, nil)
		}
		return ch.ExchangeDeclare(t.names.exchange(), t.options.ExchangeType, true, false, false, false, nil)
	})
	if err != nil {
		return fmt.Errorf("rabbitbus: exchange %s: %w", t.names.exchange(), typed(err))
	}
	c.note(t.names.exchange())
	return nil
}

// declare makes sure of a queue, once on each connection.
func (t *transport) declare(ctx context.Context, c *conn, d declaration) error {
	if c.knows(d.name) {
		return nil
	}
	err := c.briefly(ctx, func(ch *amqp.Channel) (err error) {
		if t.options.Passive {
			_, err = ch.QueueDeclarePassive(d.name, true, false, false, false, nil)
			return err
		}
		_, err = ch.QueueDeclare(d.name, true, false, false, false, d.args)
		return err
	})
	if err != nil {
		return fmt.Errorf("rabbitbus: queue %s: %w", d.name, typed(err))
	}
	c.note(d.name)
	return nil
}

// group makes sure of a group: its exchange, its queue, and the bindings of its patterns.
// Bindings that it had before stay.
func (t *transport) group(ctx context.Context, c *conn, g engine.Group) error {
	if err := t.exchange(ctx, c); err != nil {
		return err
	}
	q := t.groupQueue(g.Name)
	c.lose(q.name) // it may have been deleted
	if err := t.declare(ctx, c, q); err != nil || t.options.Passive {
		return err
	}
	return t.bind(ctx, c, g)
}

// look asks how a queue is. A queue that is not there is no error.
func (c *conn) look(ctx context.Context, name string) (q amqp.Queue, there bool, err error) {
	err = c.briefly(ctx, func(ch *amqp.Channel) (err error) {
		q, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	if code(err) == amqp.NotFound {
		return q, false, nil
	}
	if err != nil {
		return q, false, fmt.Errorf("rabbitbus: look at queue %s: %w", name, typed(err))
	}
	return q, true, nil
}

// briefly calls f with a channel of its own: the server closes it after an error.
func (c *conn) briefly(ctx context.Context, f func(ch *amqp.Channel) error) error {
	ch, err := c.open(ctx)
	if err != nil {
		return err
	}
	return c.ask(ctx, func() error { return errors.Join(f(ch), ch.Close()) })
}

func (c *conn) knows(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[name]
}

func (c *conn) note(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[name] = true
}

func (c *conn) lose(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, name)
}

// forget forgets everything that was declared: something of it is gone.
func (c *conn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.made)
}

func noSuchGroup(group string) error {
	return &eventbus.ValidationError{Field: "group", Value: excerpt.Of(group), Rule: "must be one that exists"}
}
