package rabbitbus

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// source is a consumer of the group's queue, on a channel of its own. It ends with that: what
// was delivered over it can be acknowledged over nothing else.
type source struct {
	member     *member
	conn       *conn
	ch         *amqp.Channel
	prefetch   int
	mark       string // name of the queue that shows whether the server holds the channel; "": none
	deliveries <-chan amqp.Delivery
	cancels    <-chan string // the queue was deleted
	ends       <-chan *amqp.Error
	early      []incoming // not due yet, and not sent on

	once sync.Once
	over chan struct{}

	mu        sync.Mutex
	acks      acks
	cancelled bool
	why       error
}

var _ engine.Source = (*source)(nil)

// consumerTag is that of the consumer of the group's queue.
const consumerTag = "eventbus"

// newSource begins to consume. The server delivers as much as the window takes.
func newSource(ctx context.Context, m *member, c *conn) (*source, error) {
	ch, err := c.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("rabbitbus: open a channel: %w", typed(err))
	}
	queue := m.transport.names.queue(m.group.Name)
	s := &source{
		member: m, conn: c, ch: ch, over: make(chan struct{}),
		prefetch: min(m.transport.options.Options.WithDefaults().Window, math.MaxUint16),
		cancels:  ch.NotifyCancel(make(chan string, 2)), // one each
		ends:     ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
	err = c.ask(ctx, func() error { return s.consume(queue) })
	if err != nil {
		_ = c.ask(ctx, ch.Close)
		return nil, fmt.Errorf("rabbitbus: consume from %s: %w", queue, typed(err))
	}
	return s, nil
}

func (s *source) consume(queue string) (err error) {
	if err := s.ch.Qos(s.prefetch, 0, false); err != nil {
		return err
	}
	if t := s.member.transport; !t.options.Passive {
		if err := s.set(t.mark()); err != nil {
			return err
		}
	}
	s.deliveries, err = s.ch.Consume(queue, consumerTag, false, false, false, false, nil)
	return err
}

// Receive waits for deliveries. What comes before its time is sent on to wait more.
func (s *source) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	for {
		if s.isOver() {
			return nil, s.gone()
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		again, stop := s.sendOn(ctx)
		select {
		case d, ok := <-s.deliveries:
			stop()
			if !ok {
				s.end()
				return nil, s.gone()
			}
			if ds := s.take(&d, most); len(ds) > 0 {
				return ds, nil
			}
		case <-again:
		case <-ctx.Done():
			stop()
			return nil, ctx.Err()
		}
	}
}

// take makes deliveries of what has come, without waiting for more; at most so many.
func (s *source) take(first *amqp.Delivery, most int) (ds []*engine.Delivery) {
	now := s.member.transport.now()
	add := func(d *amqp.Delivery) {
		if in := s.delivery(d); in.due.After(now) {
			s.early = append(s.early, in)
		} else {
			ds = append(ds, in.Delivery)
		}
	}
	add(first)
	for yielded := false; len(ds) < most; {
		select {
		case d, ok := <-s.deliveries:
			if !ok {
				return ds // the next Receive says so
			}
			add(&d)
			yielded = false
		default:
			if yielded {
				return ds
			}
			yielded = true // the client hands over one by one, in a goroutine of its own
			runtime.Gosched()
		}
	}
	return ds
}

// isOver looks whether the channel, the consumer or the queue is gone.
func (s *source) isOver() bool {
	s.mu.Lock()
	select {
	case tag := <-s.cancels:
		s.cancelled = s.cancelled || tag == consumerTag
	default:
	}
	over := s.cancelled || s.ch.IsClosed()
	s.mu.Unlock()
	if over {
		s.end()
	}
	return over
}

func (s *source) end() { s.once.Do(func() { close(s.over) }) }

// vanished reports whether the queue was deleted.
func (s *source) vanished() bool {
	s.isOver()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancelled
}

// gone says that the source is over, and why.
func (s *source) gone() error {
	why := s.conn.end()
	if s.vanished() {
		why = ErrVanished
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case err := <-s.ends:
		if err != nil {
			s.why = err
		}
	default:
	}
	if s.why != nil {
		why = typed(s.why)
	}
	return fmt.Errorf("rabbitbus: %s: %w: %w", s.member.transport.names.queue(s.member.group.Name), engine.ErrGone, why)
}

// Ack acknowledges, and returns when the server has noted it.
func (s *source) Ack(ctx context.Context, rs []engine.Receipt) error {
	tags := make([]uint64, len(rs))
	for i := range rs {
		tags[i] = rs[i].N
	}
	return s.acknowledge(ctx, tags)
}

// acknowledge tells the server, and then asks it something: acknowledgements have no answer,
// and those that are under way when a channel ends are lost.
func (s *source) acknowledge(ctx context.Context, tags []uint64) error {
	if s.isOver() {
		return s.gone()
	}
	s.mu.Lock()
	calls := s.acks.note(tags)
	s.mu.Unlock()
	err := s.conn.ask(ctx, func() error {
		err := s.conn.line.holding(func() error {
			for _, c := range calls {
				if err := s.ch.Ack(c.tag, c.multiple); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return s.ch.Qos(s.prefetch, 0, false)
	})
	if err != nil {
		return s.gone()
	}
	return nil
}

// Keep looks whether the deliveries are still ours: there is no lease to extend.
func (s *source) Keep(context.Context, []engine.Receipt) ([]engine.Receipt, error) {
	if s.isOver() {
		return nil, s.gone()
	}
	return nil, nil
}

// kept is how often that is looked for.
const kept = time.Second

// Close gives back, in order, what was not acknowledged: the end of the channel does that.
func (s *source) Close(ctx context.Context) error {
	defer s.end()
	if s.isOver() && s.ch.IsClosed() {
		return nil
	}
	t := s.member.transport
	return s.conn.dismiss(ctx, s.ch, parting{queue: t.names.queue(s.member.group.Name), mark: s.mark, alone: t.options.SingleActiveConsumer})
}
