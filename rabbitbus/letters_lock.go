package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

// lockLeft is for how many milliseconds a lock may stay whose maker ended between making it
// and consuming from it.
const lockLeft = 10_000

// locked runs do while no other caller makes or ends generations of the group.
func (s *letterStore) locked(ctx context.Context, l *letterLog, do func(c *letterChannel) error) error {
	for {
		err := s.tryLocked(ctx, l, do)
		if !errors.Is(err, errLetterLocked) {
			return err
		}
		if !pause(ctx, replicaWait) {
			return ctx.Err()
		}
	}
}

// tryLocked is locked, and returns errLetterLocked at once if another caller has the lock.
//
// The lock is an exclusive queue that goes with its consumer, which goes with the channel. So
// whoever has lost the lock has lost the channel that he could do harm with.
func (s *letterStore) tryLocked(ctx context.Context, l *letterLog, do func(c *letterChannel) error) error {
	return s.using(ctx, func(c *letterChannel) error {
		name := l.names.lock()
		_, err := c.QueueDeclare(name, false, true, true, false, s.holder(lockLeft))
		if err = c.why(err); err != nil {
			return taken(err)
		}
		c.tags++
		tag := strconv.FormatUint(c.tags, 10)
		if _, err := c.Consume(name, tag, true, true, false, false, nil); err != nil {
			return c.why(err)
		}
		if err := do(c); err != nil {
			return err
		}
		return c.why(c.Cancel(tag, false))
	})
}

// taken makes errLetterLocked of what the broker says of a queue that another caller has made.
func taken(err error) error {
	if replied(err, amqp.ResourceLocked) || replied(err, amqp.PreconditionFailed) {
		return fmt.Errorf("%w: %w", errLetterLocked, err)
	}
	return err
}

// holder are arguments that no other declaration has: the broker refuses to declare a queue
// again with others, so that it has one maker, even among those on one connection. The queue
// goes after the milliseconds, which the broker counts from when it was last declared or had
// a consumer.
func (s *letterStore) holder(milliseconds int64) amqp.Table {
	return amqp.Table{
		"x-expires": milliseconds, "x-dead-letter-exchange": "",
		"x-dead-letter-routing-key": s.owner + strconv.FormatUint(s.takes.Add(1), 10),
	}
}
