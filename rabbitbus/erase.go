package rabbitbus

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Erase removes what buses with this prefix have on the server: groups with all that waits in
// them, dead letters, and the exchange with its bindings. It is for tests and demonstrations,
// since nothing of it comes back. As long as a group has a member nothing is removed, and the
// error is an eventbus.ValidationError. Leases of letters, which are small queues, go by
// themselves.
func (b *Bus) Erase(ctx context.Context) error {
	if b.transport.options.Passive {
		return passively("to be removed")
	}
	if err := b.transport.erase(ctx); err != nil {
		return fmt.Errorf("rabbitbus: erase %s: %w", b.transport.names.prefix, err)
	}
	return nil
}

func (t *transport) erase(ctx context.Context) error {
	c, err := t.desk.get(ctx)
	if err != nil {
		return err
	}
	groups, err := t.registry().ever(ctx)
	if err != nil {
		return err
	}
	for _, group := range groups {
		q, _, err := c.look(ctx, t.names.queue(group))
		if err == nil {
			err = t.refuseMembers(ctx, c, group, q.Consumers)
		}
		if err != nil {
			return err
		}
	}
	for _, group := range groups {
		if err := c.deleteQueues(ctx, t.queuesOf(group)); err != nil {
			return err
		}
		if err := t.letters.erase(ctx, group); err != nil {
			return err
		}
	}
	err = c.briefly(ctx, func(ch *amqp.Channel) error { return ch.ExchangeDelete(t.names.exchange(), false, false) })
	if err != nil {
		return fmt.Errorf("delete exchange: %w", typed(err))
	}
	t.publishing.forget()
	t.consuming.forget()
	return c.deleteQueues(ctx, []string{t.names.groups()}) // last: it names what is left
}

// erase removes the letters of a group, with all that they stand in. The exchanges go first:
// who sees none reads no stream.
func (s *letterStore) erase(ctx context.Context, group string) error {
	_, err := within(ctx, s, func(ctx context.Context) (struct{}, error) {
		l := s.log(group)
		return struct{}{}, s.locked(ctx, l, func(c *letterChannel) error { return s.eraseLocked(ctx, c, l) })
	})
	return err
}

func (s *letterStore) eraseLocked(ctx context.Context, c *letterChannel, l *letterLog) error {
	g, _, err := s.current(ctx, l)
	if err != nil {
		return err
	}
	var exchanges, streams []string
	for n := max(g, 1) - 1; n <= g+1; n++ { // one is copied to the next
		exchanges = append(exchanges, l.names.copying(n), l.names.generation(n))
		streams = append(streams, l.names.generation(n))
	}
	// The pointer's exchange says that there is something left, and goes when nothing is but the
	// pointer itself.
	if err := c.remove(exchanges, streams); err != nil {
		return err
	}
	if err := c.remove([]string{l.names.pointer()}, []string{l.names.pointer()}); err != nil {
		return err
	}
	s.drop(l)
	return nil
}

func (c *letterChannel) remove(exchanges, streams []string) error {
	for _, name := range exchanges {
		if err := c.ExchangeDelete(name, false, false); err != nil {
			return c.why(err)
		}
	}
	for _, name := range streams {
		if _, err := c.QueueDelete(name, false, false, false); err != nil {
			return c.why(err)
		}
	}
	return nil
}

// drop forgets what is known of a group.
func (s *letterStore) drop(l *letterLog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for group, known := range s.logs {
		if known == l {
			delete(s.logs, group)
		}
	}
}

// deleteQueues deletes queues, those that are not there too.
func (c *conn) deleteQueues(ctx context.Context, names []string) error {
	for _, name := range names {
		err := c.briefly(ctx, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(name, false, false, false)
			return err
		})
		if err != nil {
			return fmt.Errorf("rabbitbus: delete queue %s: %w", name, typed(err))
		}
		c.lose(name)
	}
	return nil
}
