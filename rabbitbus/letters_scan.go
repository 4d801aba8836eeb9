package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	firstLetterWindow = 64   // of a stream of which nothing is known: its records may be large
	mostLetterWindow  = 1000 // more gains nothing
	// A pause so long may be the end of the stream, and is worth the question.
	letterPause = time.Millisecond
	replicaTime = 5 * time.Second
	replicaWait = 50 * time.Millisecond
)

// letterScan reads the records of a stream, one after the other.
type letterScan struct {
	stream  string
	begun   bool   // something was read: next is one that has been
	next    uint64 // offset of the next one; if begun is not set and it is 0, the first there is
	window  func() int
	silence time.Duration
	// again is called before reading goes on with another consumer, and may forbid it. Zero means
	// that it goes on.
	again func(ctx context.Context) error
	// visit is called with each; errLetterStop ends the reading.
	visit func(d *amqp.Delivery) error

	seen int
	last *amqp.Delivery
}

// scan reads a stream to its end, as it is at some moment after the call, or until it is
// stopped.
//
// A stream does not say where it ends, and one that is read from behind its last record is
// silent. So reading goes on from the last record that was read, which comes again. When
// nothing more comes, that one is acknowledged and then the consumer cancelled: for an
// acknowledgement the broker sends all that there is, as much as the window allows, before it
// answers the cancellation. Nothing in between is the end.
func (s *letterStore) scan(ctx context.Context, sc *letterScan) error {
	began := time.Now()
	for {
		err := s.using(ctx, func(c *letterChannel) (err error) {
			for more := true; more && err == nil; {
				if sc.again != nil && sc.begun {
					if err := sc.again(ctx); err != nil {
						return err
					}
				}
				more, err = c.round(ctx, sc)
			}
			return err
		})
		if !passes(err) || time.Since(began) > replicaTime {
			return err
		}
		if !pause(ctx, replicaWait) {
			return ctx.Err()
		}
	}
}

// passes reports whether reading is worth another try: this node of a cluster has no copy of
// the stream yet, or the stream was being deleted, for which the broker ends the connection.
func passes(err error) bool {
	return replied(err, amqp.PreconditionFailed) && strings.Contains(err.Error(), "running replica") || replied(err, amqp.InternalError)
}

// pause waits, and reports whether it did so to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// round reads with one consumer, and reports whether there may be more.
func (c *letterChannel) round(ctx context.Context, sc *letterScan) (more bool, err error) {
	c.tags++
	tag, window := strconv.FormatUint(c.tags, 10), sc.window()
	if err := c.Qos(window, 0, false); err != nil {
		return false, c.why(err)
	}
	var from any = "first"
	if sc.begun || sc.next > 0 {
		from = int64(sc.next) //nolint:gosec // an offset that the broker has given, which is an int64
	}
	deliveries, err := c.Consume(sc.stream, tag, false, false, false, false, amqp.Table{headerOffset: from})
	if err != nil {
		return false, gone(c.why(err), sc.stream)
	}
	widen, err := c.receive(ctx, sc, deliveries, window)
	stopped := errors.Is(err, errLetterStop)
	if err != nil && !stopped {
		return false, err
	}
	if err := c.Ack(sc.last.DeliveryTag, true); err != nil {
		return false, c.why(err)
	}
	if err := c.Cancel(tag, false); err != nil {
		return false, gone(c.why(err), sc.stream)
	}
	for d := range deliveries { // what was under way
		if stopped {
			continue
		}
		more = true
		err := sc.take(&d)
		if stopped = errors.Is(err, errLetterStop); err != nil && !stopped {
			return false, err
		}
	}
	return !stopped && (more || widen), nil
}

// receive reads until there is a pause, or reason to go on with another window.
func (c *letterChannel) receive(ctx context.Context, sc *letterScan, deliveries <-chan amqp.Delivery, window int) (widen bool, err error) {
	wait := time.NewTimer(sc.silence)
	defer wait.Stop()
	sc.last = nil
	for open := 0; ; {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return false, gone(c.why(errLetterGone), sc.stream)
			}
			// One stays open, for the question whether there are more.
			if open++; open > window/2 && sc.last != nil {
				if err := c.Ack(sc.last.DeliveryTag, true); err != nil {
					return false, c.why(err)
				}
				open = 1
			}
			if err := sc.take(&d); err != nil {
				return false, err
			}
			if window == firstLetterWindow && sc.seen == firstLetterWindow && sc.window() > window {
				return true, nil
			}
			wait.Reset(letterPause)
		case <-wait.C:
			if sc.last == nil {
				return false, fmt.Errorf("%w: %s", errLetterSilent, sc.stream)
			}
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// take hands on a record, unless it has been.
func (sc *letterScan) take(d *amqp.Delivery) error {
	sc.last = d
	offset := offsetOf(d)
	if sc.begun && offset <= sc.next {
		return nil
	}
	sc.begun, sc.next = true, offset
	sc.seen++
	return sc.visit(d)
}

// gone makes errLetterGone of what the broker says of a stream that is not there.
func gone(err error, stream string) error {
	if missing(err) {
		return fmt.Errorf("%w: %s: %w", errLetterGone, stream, err)
	}
	return err
}

// letterWindow is how many records of that size may be under way.
func (b letterBounds) window(records int, bytes int64) int {
	if records == 0 || bytes == 0 {
		return firstLetterWindow
	}
	return max(2, min(mostLetterWindow, int(int64(b.bytes)*int64(records)/bytes)))
}
