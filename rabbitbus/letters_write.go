package rabbitbus

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// write appends a record to the log, and returns once every later reader finds it.
func (s *letterStore) write(ctx context.Context, l *letterLog, p amqp.Publishing) (letterMoment, error) {
	m := letterMoment{nonce: p.MessageId}
	for {
		g, ok := l.last()
		err := errLetterSealed // or not known
		if ok {
			if err = s.append(ctx, l, g, p); err == nil {
				m.generation = g
				return m, nil
			}
			m.twice = m.twice || errors.Is(err, errLetterLate)
		}
		switch {
		case errors.Is(err, errLetterUnbound):
			err = s.found(ctx, l)
		case errors.Is(err, errLetterSealed):
			var is letterState
			if _, is, err = s.current(ctx, l); err == nil && is != someLetters {
				err = s.found(ctx, l)
			}
		}
		if err != nil {
			return m, err
		}
	}
}

// append writes a record to a generation. It is safe there only if the generation has not
// ended, which is asked after the broker has confirmed the record: who ends it, reads what
// was confirmed by then.
func (s *letterStore) append(ctx context.Context, l *letterLog, g uint64, p amqp.Publishing) error {
	name := l.names.generation(g)
	return s.using(ctx, func(c *letterChannel) error {
		if err := c.publish(ctx, name, "", p); err != nil {
			return sealed(err, name)
		}
		err := c.ExchangeDeclarePassive(name, amqp.ExchangeFanout, true, false, false, false, nil)
		if err = c.why(err); missing(err) {
			return fmt.Errorf("%w: %w", errLetterLate, sealed(err, name))
		}
		return err
	})
}

// sealed makes errLetterSealed of what the broker says of an exchange that is not there.
func sealed(err error, name string) error {
	if missing(err) {
		return fmt.Errorf("%w: %s: %w", errLetterSealed, name, err)
	}
	return err
}

// publish sends a record and waits until it is confirmed.
func (c *letterChannel) publish(ctx context.Context, exchange, key string, p amqp.Publishing) error {
	confirm, err := c.PublishWithDeferredConfirm(exchange, key, true, false, p)
	if err != nil {
		return c.why(err)
	}
	return c.confirmed(ctx, confirm)
}

// confirmed waits for a confirmation. A record that came back did so before it.
func (c *letterChannel) confirmed(ctx context.Context, confirm *amqp.DeferredConfirmation) error {
	ok, err := confirm.WaitContext(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return c.why(errors.New("the broker has not taken the record; it may be stored"))
	}
	select {
	case back := <-c.returns:
		return fmt.Errorf("%w: %s%s", errLetterUnbound, back.Exchange, back.RoutingKey)
	default:
		return nil
	}
}
