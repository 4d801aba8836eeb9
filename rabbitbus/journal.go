package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// journal is a stream of records that is read from its beginning: small things that no queue
// can hold, since whoever looked into a queue would keep others from it. Its first record is
// empty, as a stream without any does not say that it has none.
type journal struct {
	transport *transport
	declaration
}

// answered is how long the server may take. It takes no time at all, but where a stream has no
// node that leads it.
const answered = 10 * time.Second

// append writes records. They are there when it returns nil; the stream is made if it is not.
func (j journal) append(ctx context.Context, records ...[]byte) error {
	ctx, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	c, err := j.transport.desk.get(ctx)
	if err == nil {
		err = c.taking()
	}
	if err == nil {
		err = c.briefly(ctx, func(ch *amqp.Channel) error {
			err := j.write(ctx, ch, records)
			if !errors.Is(err, errNoStream) || j.transport.options.Passive {
				return err
			}
			if _, err := ch.QueueDeclare(j.name, true, false, false, false, j.args); err != nil {
				return err
			}
			return j.write(ctx, ch, append([][]byte{nil}, records...))
		})
	}
	if err != nil {
		return fmt.Errorf("rabbitbus: write to stream %s: %w", j.name, typed(err))
	}
	return nil
}

var errNoStream = fmt.Errorf("%w: it is not there", ErrTopology)

// write publishes the records and waits for their confirms. Records that are returned were not
// routed anywhere; returns come before confirms.
func (j journal) write(ctx context.Context, ch *amqp.Channel, records [][]byte) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	returns := ch.NotifyReturn(make(chan amqp.Return, len(records)))
	var waits []*amqp.DeferredConfirmation
	for _, r := range records {
		dc, err := ch.PublishWithDeferredConfirm("", j.name, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: r})
		if err != nil {
			return err
		}
		waits = append(waits, dc)
	}
	for _, dc := range waits {
		if acked, err := dc.WaitContext(ctx); err != nil || !acked {
			return errors.Join(err, errNoConfirm)
		}
	}
	if len(returns) > 0 {
		return errNoStream
	}
	return nil
}

var errNoConfirm = errors.New("not confirmed")

// read calls each with every record that there is when it is called, in order. There are none
// where there is no stream.
func (j journal) read(ctx context.Context, each func(record []byte)) error {
	ctx, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	c, err := j.transport.desk.get(ctx)
	r := journalReader{journal: j, each: each, next: -1}
	for err == nil && !r.done {
		err = c.briefly(ctx, func(ch *amqp.Channel) error { return r.round(ctx, ch) })
		if r.early(ctx, err) {
			err = nil
		}
	}
	switch {
	case code(err) == amqp.NotFound:
		return nil
	case err != nil:
		return fmt.Errorf("rabbitbus: read stream %s: %w", j.name, typed(err))
	}
	return nil
}

// early reports whether to ask again: a node of a cluster is told late that it has a copy of a
// new stream.
func (*journalReader) early(ctx context.Context, err error) bool {
	if code(err) != amqp.PreconditionFailed || !strings.Contains(err.Error(), "running replica") {
		return false
	}
	soon := time.NewTimer(50 * time.Millisecond)
	defer soon.Stop()
	select {
	case <-soon.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// journalReader reads round by round, until one has ended at the end for certain.
type journalReader struct {
	journal
	each func(record []byte)
	next int64 // offset of the last record that was seen; -1: none
	done bool
}

// atOnce is how many records the server sends before they are acknowledged.
const atOnce = 1000

// quiet is how long to wait for the first record before it is written: whoever has made the
// stream did not come to it.
const quiet = time.Second

// round reads from the last record on, which certainly comes. When the server is told that it
// has arrived, it sends everything up to the end before it answers anything else: where nothing
// comes any more by then, that was the end.
func (r *journalReader) round(ctx context.Context, ch *amqp.Channel) error {
	if err := ch.Qos(atOnce, 0, false); err != nil {
		return err
	}
	from := amqp.Table{"x-stream-offset": "first"}
	if r.next >= 0 {
		from["x-stream-offset"] = r.next
	}
	const tag = "reader"
	records, err := ch.Consume(r.name, tag, false, false, false, false, from)
	if err != nil {
		return err
	}
	last, err := r.first(ctx, records)
	if err != nil {
		return err
	}
	for more := true; more; {
		select {
		case d, ok := <-records:
			if !ok {
				return amqp.ErrClosed
			}
			last = r.take(d)
		default:
			more = false
		}
	}
	if err := ch.Ack(last, true); err != nil {
		return err
	}
	if err := ch.Cancel(tag, false); err != nil {
		return err
	}
	r.done = true
	for d := range records {
		r.done = false
		r.take(d)
	}
	return nil
}

func (r *journalReader) first(ctx context.Context, records <-chan amqp.Delivery) (tag uint64, err error) {
	silence := time.NewTimer(quiet)
	defer silence.Stop()
	for {
		select {
		case d, ok := <-records:
			if !ok {
				return 0, amqp.ErrClosed
			}
			return r.take(d), nil
		case <-silence.C:
			if err := r.append(ctx, nil); err != nil {
				return 0, err
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// take hands over a record that is new.
func (r *journalReader) take(d amqp.Delivery) uint64 {
	if at, ok := d.Headers["x-stream-offset"].(int64); ok && at > r.next {
		r.next = at
		if len(d.Body) > 0 {
			r.each(d.Body)
		}
	}
	return d.DeliveryTag
}
