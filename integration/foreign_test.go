package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

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
type foreign interface {
	// takes has the server take messages that are so large.
	takes(size int)
	// event publishes what is legal: with the attributes, of CloudEvents, and the payload, if any.
	event(attributes map[string]string, data []byte)
	// bare publishes a payload without anything.
	bare(data []byte)
	// poison publishes one of each that nobody can read, and returns what the letters must have kept of them.
	poison(round int) (texts []string)
}

func newForeign(t *testing.T, s broker.Server) foreign {
	t.Helper()
	return map[broker.Kind]func(*testing.T, broker.Server) foreign{
		broker.Redis: foreignOnRedis, broker.RabbitMQ: foreignOnRabbit, broker.Kafka: foreignOnKafka,
	}[s.Kind](t, s)
}

// foreignEvent lets another program publish a legal event, and writes it down as published.
func (l *load) foreignEvent(f foreign, id string, data []byte) {
	l.t.Helper()
	r := journal.Record{What: journal.Attempted, EventID: id, EventType: "order.created", AggregateType: "order", Sum: journal.Sum(data)}
	require.NoError(l.t, l.written.Write(r))
	f.event(map[string]string{"specversion": "1.0", "id": id, "type": "order.created", "source": "/x"}, data)
	r.What = journal.Published
	require.NoError(l.t, l.written.Write(r))
}
