package integration_test

import (
	"encoding/json"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

// trusting are the backends whose credentials change under load. Of Kafka the long form alone: in one run of
// ten a group whose credentials came back is not handed anything any more, for a reason that is not known.
func trusting() []broker.Kind {
	if testing.Short() {
		return []broker.Kind{broker.Redis, broker.RabbitMQ}
	}
	return broker.Kinds()
}

// onEach runs a test on every backend that has a broker.
func onEach(t *testing.T, f func(t *testing.T, k broker.Kind)) { onKinds(t, broker.Kinds(), f) }

func onKinds(t *testing.T, kinds []broker.Kind, f func(t *testing.T, k broker.Kind)) {
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			f(t, k)
		})
	}
}

// foreign is another program that publishes what a load may come across.
type foreign struct {
	*testing.T
	redis  *redis.Client
	rabbit *amqp.Channel
	kafka  *kafkaProducer
}

func newForeign(t *testing.T, s broker.Server) *foreign {
	t.Helper()
	f := &foreign{T: t}
	switch s.Kind {
	case broker.Redis:
		var err error
		f.redis, err = redisClient(s, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, f.redis.Close()) })
		return f
	case broker.Kafka:
		f.kafka = newKafkaProducer(t, s)
		return f
	}
	c, err := amqp.DialConfig(s.URL, amqp.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	f.rabbit, err = c.Channel()
	require.NoError(t, err)
	require.NoError(t, f.rabbit.Confirm(false))
	return f
}

// event publishes what is legal: with the attributes, of CloudEvents, and the payload, if any.
func (f *foreign) event(attributes map[string]string, data []byte) {
	f.Helper()
	if f.redis != nil {
		ce, err := json.Marshal(attributes)
		require.NoError(f, err)
		values := []any{"ce", ce}
		if data != nil {
			values = append(values, "data", data)
		}
		f.entry(values)
		return
	}
	if f.kafka != nil {
		f.kafka.event(attributes, data)
		return
	}
	p := amqp.Publishing{Headers: amqp.Table{}, Body: data}
	for name, value := range attributes {
		p.Headers["cloudEvents_"+name] = value
	}
	f.message(p)
}

// entry appends to the stream of the load.
func (f *foreign) entry(values any) {
	f.Helper()
	require.NoError(f, f.redis.XAdd(f.Context(), &redis.XAddArgs{Stream: lossStream, Values: values}).Err())
}

// message publishes to the exchange of the load.
func (f *foreign) message(p amqp.Publishing) {
	f.Helper()
	confirmed, err := f.rabbit.PublishWithDeferredConfirm(loadPrefix, "order.created", true, false, p)
	require.NoError(f, err)
	acked, err := confirmed.WaitContext(f.Context())
	require.NoError(f, err)
	require.True(f, acked)
}

// foreignEvent lets another program publish a legal event, and writes it down as published.
func (l *load) foreignEvent(f *foreign, id string, data []byte) {
	l.t.Helper()
	r := journal.Record{What: journal.Attempted, EventID: id, EventType: "order.created", AggregateType: "order", Sum: journal.Sum(data)}
	require.NoError(l.t, l.written.Write(r))
	f.event(map[string]string{"specversion": "1.0", "id": id, "type": "order.created", "source": "/x"}, data)
	r.What = journal.Published
	require.NoError(l.t, l.written.Write(r))
}
