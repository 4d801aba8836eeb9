package rabbitbus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// outcomes returns an error by index, or nil.
func (b *batch) outcomes() []error {
	b.lane.settle()
	why := b.ending()
	var errs []error
	for i := range b.out {
		err := b.outcome(i, why)
		if err == nil {
			continue
		}
		if errs == nil {
			errs = make([]error, len(b.out))
		}
		errs[i] = err
	}
	return engine.Overtaken(errs)
}

// ending is why the lane is over, and for which message.
type ending struct {
	err      error // nil: it is not
	offender int   // -1: not known
}

// ending finds out why the lane is over. A server closes a channel for what it refuses, and
// drops what comes behind that.
func (b *batch) ending() ending {
	if !b.lane.ch.IsClosed() {
		return ending{}
	}
	end := ending{err: b.lane.end(), offender: -1}
	if end.err == nil {
		end.err = b.conn.end()
		return end
	}
	switch code(end.err) {
	case amqp.PreconditionFailed:
		end.offender = b.tooLarge(end.err)
	case amqp.AccessRefused, amqp.NotFound:
		b.conn.forget() // the exchange, for one thing, may be gone
		if len(b.out) == 1 {
			end.offender = 0
		}
	}
	return end
}

// tooLarge is the first message above the limit that the server names, or -1.
func (b *batch) tooLarge(err error) int {
	_, text, found := strings.Cut(err.Error(), "larger than configured max size ")
	limit, _ := strconv.Atoi(digits(text))
	for i := range b.out {
		if found && limit > 0 && b.out[i].confirmed != nil && len(b.out[i].message.Body) > limit {
			return i
		}
	}
	return -1
}

// outcome is what became of one message. A message that cannot be routed is confirmed too;
// the confirms of a channel that is closed are none.
func (b *batch) outcome(i int, end ending) error {
	o := &b.out[i]
	switch {
	case o.err != nil:
		return o.err
	case o.confirmed == nil && b.err != nil:
		return notSent(b.err)
	case o.confirmed == nil: // what came before it has failed
		return notSent(errOver)
	case o.confirmed.Acked():
		return b.routed(o, b.lane.bounced(o.place))
	case end.err != nil && !b.conn.line.passed(o.at):
		return notSent(end.err)
	case end.err != nil:
		return end.of(i)
	case isClosed(o.confirmed.Done()) && o.message.IsMove():
		return fmt.Errorf("%w: the queue %s takes nothing", engine.ErrNotStored, o.key)
	case isClosed(o.confirmed.Done()):
		return unknown(errNack)
	case b.err != nil:
		return unknown(b.err)
	}
	return unknown(errOver)
}

// errNack is for events, which go to several queues.
var errNack = errors.New("a queue takes nothing: another one may have taken it")

// of is the outcome of a message that was under way when the lane ended.
func (e ending) of(i int) error {
	switch {
	case e.offender < 0 || i < e.offender:
		return unknown(e.err)
	case i > e.offender, code(e.err) == amqp.NotFound: // what is missing is made
		return fmt.Errorf("%w: %w", engine.ErrNotStored, typed(e.err))
	case code(e.err) == amqp.PreconditionFailed:
		return fmt.Errorf("%w: %w for the server: %w", eventbus.ErrRefused, eventbus.ErrTooLarge, e.err)
	}
	return notSent(e.err)
}

// routed is the outcome of a message that the server has confirmed, and returned before that if
// no queue wants it.
func (b *batch) routed(o *outgoing, r *amqp.Return) error {
	t := b.transport
	switch {
	case r == nil:
		return nil
	case o.step > 0: // somebody has deleted it: it is made again
		b.conn.lose(o.key)
		return fmt.Errorf("%w: the queue %s is gone", engine.ErrNotStored, o.key)
	case o.message.IsMove():
		return fmt.Errorf("%w: there is no queue %s: subscribe first", eventbus.ErrRefused, o.key)
	case t.options.RequireRoute:
		return fmt.Errorf("%w: %w: nothing is bound to %s for %s", eventbus.ErrRefused, ErrUnroutable, o.exchange, o.key)
	}
	t.unroutable.Add(1)
	return nil
}

// digits is the number that the text begins with.
func digits(text string) string {
	return text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
}
