package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// rabbitVariable names the server, as a URL.
const rabbitVariable = "EVENTBUS_TEST_RABBITMQ"

var errNoRabbit = errors.New("no server: docker run --rm -d -p 127.0.0.1:25672:5672 rabbitmq:4.0-management, then " + rabbitVariable + "=amqp://127.0.0.1:25672")

// rabbitSpace is a prefix on the server, and a connection beside those that are measured.
type rabbitSpace struct {
	ctx    context.Context
	url    string
	prefix string
	beside *amqp.Connection
}

func newRabbitSpace(ctx context.Context) (*rabbitSpace, error) {
	url := os.Getenv(rabbitVariable)
	if url == "" {
		return nil, errNoRabbit
	}
	c, err := amqp.Dial(url)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rabbitVariable, err)
	}
	return &rabbitSpace{ctx: ctx, url: url, prefix: newPrefix(), beside: c}, nil
}

// queue is where the events of a subscriber are; that of the bus is named so by
// docs/wire-rabbitmq.md.
func (s *rabbitSpace) queue(subscriber int) string {
	return fmt.Sprintf("%s.bench.subscriber-%d.0", s.prefix, subscriber)
}

// do calls f with a channel.
func (s *rabbitSpace) do(f func(ch *amqp.Channel) error) error {
	ch, err := s.beside.Channel()
	if err != nil {
		return err
	}
	return errors.Join(f(ch), ch.Close())
}

// Stored is how many messages the first queue has. The server counts a little late.
func (s *rabbitSpace) Stored() (n int, err error) {
	for last := -1; err == nil && n != last; {
		last = n
		time.Sleep(200 * time.Millisecond)
		err = s.do(func(ch *amqp.Channel) error {
			q, err := ch.QueueDeclarePassive(s.queue(1), true, false, false, false, nil)
			n = q.Messages
			return err
		})
	}
	return n, err
}

// Busy is not known: the server does not tell over AMQP.
func (*rabbitSpace) Busy() (time.Duration, error) { return 0, nil }

// rabbitBus is the bus on RabbitMQ, as a user gets it. Its first subscriber has subscribed before:
// for a group that nobody has subscribed yet nothing is kept.
type rabbitBus struct {
	*rabbitSpace
	*logBus
}

func (s shape) rabbitBus(ctx context.Context, l load.Load) (load.Log, error) {
	space, err := newRabbitSpace(ctx)
	if err != nil {
		return nil, err
	}
	open := func() (*rabbitBus, error) {
		bus, err := rabbitbus.New(rabbitbus.Options{URL: space.url, Prefix: space.prefix, Options: eventbus.Options{Group: "bench"}})
		side := &busSide{ctx: ctx, load: l, bus: bus, made: s.made, ids: eventIDs()}
		return &rabbitBus{space, &logBus{busSide: side, shape: s}}, err
	}
	first, err := open()
	if err == nil {
		err = errors.Join(first.Subscribe(func(int) {}), first.bus.Shutdown(ctx))
	}
	if err != nil {
		return nil, errors.Join(err, space.beside.Close())
	}
	b, err := open()
	if err != nil {
		return nil, errors.Join(err, space.beside.Close())
	}
	return b, b.bus.Start(ctx)
}

func (b *rabbitBus) Stop() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.busSide.ctx), time.Minute)
	defer cancel()
	err := b.busSide.Stop()
	eraser, failed := rabbitbus.New(rabbitbus.Options{URL: b.url, Prefix: b.prefix, Options: eventbus.Options{Group: "bench"}})
	if failed == nil {
		failed = errors.Join(eraser.Erase(ctx), eraser.Shutdown(ctx))
	}
	return errors.Join(err, failed, b.beside.Close())
}
