package integration_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// Python programs, as docs/wire-rabbitmq.md has them, and the bus read what the other publishes.
func TestRabbitSpeaksWithPika(t *testing.T) {
	b := broker.Start(t, broker.RabbitMQ, broker.Options{Image: broker.Pika})
	r := newRabbitRig(t, broker.Space{Server: b.Server, Prefix: "eventbus"})
	events := make(chan eventbus.DomainEvent, 10)
	bus := r.bus(rabbitbus.Options{})
	r.running(bus, eventbus.Subscriber{Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
		events <- e
		return nil
	})})
	programs := pythonOf(t, "../docs/wire-rabbitmq.md")
	require.Len(t, programs, 2)
	python := func(program string) string {
		return b.Exec("python3", "-c", `
import pika
channel = pika.BlockingConnection().channel()
channel.confirm_delivery()
`+program)
	}

	python(programs[0])
	e := <-events
	require.Equal(t, []string{"order.created", "e-1", "/shop", "order-42", "order", "application/json", `{"total":42}`},
		[]string{e.Type, e.ID, e.Source, e.AggregateID, e.AggregateType, e.ContentType, string(e.Data())})

	said := make(chan string, 1)
	go func() { said <- python(programs[1]) }()
	reads := func() bool {
		var q amqp.Queue
		err := r.do(func(ch *amqp.Channel) (err error) {
			q, err = ch.QueueDeclarePassive("theirs", true, false, false, false, nil)
			return err
		})
		return err == nil && q.Consumers > 0
	}
	require.Eventually(t, reads, time.Minute, 10*time.Millisecond)
	sent := eventbus.NewRaw("order.paid", "order-7", "text/plain", []byte("zwölf"))
	require.NoError(t, bus.Publish(t.Context(), sent))
	require.Equal(t, "order.paid "+sent.ID+" order-7 text/plain zwölf\n", <-said)
}

// pythonOf are the programs of a document.
func pythonOf(t *testing.T, path string) (programs []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for i, part := range strings.Split(string(text), "```python\n") {
		if i > 0 {
			program, _, _ := strings.Cut(part, "```")
			programs = append(programs, program)
		}
	}
	return programs
}
