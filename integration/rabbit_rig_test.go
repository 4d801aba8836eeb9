package integration_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// rabbitRig is a prefix on a server, with buses and a channel of its own.
type rabbitRig struct {
	*testing.T
	at  broker.Space
	raw *amqp.Connection
	log *lockedBuffer
}

func newRabbitRig(t *testing.T, at broker.Space) *rabbitRig {
	t.Helper()
	r := &rabbitRig{T: t, at: at, log: &lockedBuffer{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.log)
		}
	})
	var err error
	r.raw, err = amqp.Dial(at.URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.raw.Close() })
	return r
}

// bus makes a bus that is shut down when the test ends.
func (r *rabbitRig) bus(o rabbitbus.Options) *rabbitbus.Bus {
	r.Helper()
	if o.URL == "" {
		o.URL = r.at.URL
	}
	if o.Prefix == "" {
		o.Prefix = r.at.Prefix
	}
	o.Group, o.Logger = "shop", slog.New(slog.NewTextHandler(r.log, nil))
	bus, err := rabbitbus.New(o)
	require.NoError(r, err)
	r.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
		defer cancel()
		_ = bus.Shutdown(ctx)
	})
	return bus
}

func (r *rabbitRig) running(bus *rabbitbus.Bus, s eventbus.Subscriber) {
	r.Helper()
	r.subscribed(bus, s)
	require.NoError(r, bus.Start(r.Context()))
}

func (r *rabbitRig) subscribed(bus *rabbitbus.Bus, s eventbus.Subscriber) {
	r.Helper()
	if s.Name == "" {
		s.Name = "mailer"
	}
	if s.Events == nil {
		s.Events = []string{"order.*"}
	}
	_, err := bus.Subscribe(r.Context(), s)
	require.NoError(r, err)
}

// do calls f with a channel, which an error of the server closes.
func (r *rabbitRig) do(f func(ch *amqp.Channel) error) error {
	r.Helper()
	ch, err := r.raw.Channel()
	require.NoError(r, err)
	defer func() { _ = ch.Close() }()
	return f(ch)
}

// ready is how many messages wait in a queue of the group's, or -1 if there is none.
func (r *rabbitRig) ready(suffix string) (n int) {
	r.Helper()
	_ = r.do(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(r.at.Prefix+".shop.mailer."+suffix, true, false, false, false, nil)
		if n = q.Messages; err != nil {
			n = -1
		}
		return err
	})
	return n
}

func (r *rabbitRig) deleteQueue(suffix string) {
	r.Helper()
	require.NoError(r, r.do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(r.at.Prefix+".shop.mailer."+suffix, false, false, false)
		return err
	}))
}

// sharedRabbit is a rig on the server that all tests share.
func sharedRabbit(t *testing.T) *rabbitRig { return newRabbitRig(t, broker.Use(t, broker.RabbitMQ)) }

// aloneRabbit is a rig on a server of its own.
func aloneRabbit(t *testing.T) (*rabbitRig, *broker.Broker) {
	b := broker.Start(t, broker.RabbitMQ, broker.Options{})
	return newRabbitRig(t, broker.Space{Server: b.Server, Prefix: "own"}), b
}
