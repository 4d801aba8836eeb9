package rabbitbus

import (
	"context"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// What a lost channel was handed comes back when the server notices the loss. A consumer that
// begins before that is handed what is younger first. So each channel that consumes for a group
// also consumes from a queue of its own, to which nobody sends: its mark. As long as that has a
// consumer, the server has noticed nothing.

// unmarked is when the server deletes a mark that nobody uses any more.
const unmarked = time.Minute

// mark declares the next mark of this bus.
func (t *transport) mark() declaration {
	return declaration{name: t.names.mark(t.instance, t.marks.Add(1)), args: amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeClassic, amqp.QueueTTLArg: unmarked.Milliseconds(),
	}}
}

// set puts the mark on the source's channel.
func (s *source) set(mark declaration) error {
	if _, err := s.ch.QueueDeclare(mark.name, true, false, false, false, mark.args); err != nil {
		return err
	}
	if _, err := s.ch.Consume(mark.name, markTag, false, false, false, false, nil); err != nil {
		return err
	}
	s.mark = mark.name
	return nil
}

// markTag is that of the consumer of a mark.
const markTag = "eventbus-mark"

// quietly is how long a loss may stay unnoticed before that is said.
const quietly = 5 * time.Second

// givenBack waits until the server has given back what the member's last source held. That
// takes no time where the connection was closed, and three heartbeats where it went silent.
func (m *member) givenBack(ctx context.Context, c *conn) error {
	last := m.current
	if last == nil || last.mark == "" || last.vanished() {
		return nil
	}
	defer time.AfterFunc(quietly, func() {
		m.transport.logger().Warn("rabbitbus: the server has not noticed yet that a connection was lost: what it holds for that comes first, after three heartbeats at the latest",
			slog.String("group", m.group.Name))
	}).Stop()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		q, there, err := c.look(ctx, last.mark)
		if err != nil || !there {
			return err
		}
		if q.Consumers == 0 {
			return c.deleteQueues(ctx, []string{last.mark})
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		case <-m.left:
			again.Stop()
			return engine.ErrGone
		}
	}
}
