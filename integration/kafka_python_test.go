package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// pythonPublishes publishes an event in binary and one in structured mode, and prints their partitions.
const pythonPublishes = `
from kafka import KafkaProducer
from cloudevents.core.bindings.kafka import to_binary, to_structured
producer = KafkaProducer(bootstrap_servers="localhost:9096", acks="all")
for id, to in ("e-1", to_binary), ("e-2", to_structured):
    event = CloudEvent({"specversion": "1.0", "id": id, "type": "order.created", "source": "/shop", "subject": "order-42",
                        "datacontenttype": "application/json", "tenantid": "zwölf"}, {"total": 42})
    message = to(event, JSONFormat(), key_mapper=lambda event: event.get_subject())
    sent = producer.send(topic, key=message.key.encode(), value=message.value, headers=list(message.headers.items()))
    print(sent.get(timeout=30).partition)
`

// pythonReads prints as many records as there are: as the SDK understands them, and where they are and belong.
const pythonReads = `
import json, sys
from kafka import KafkaConsumer
from kafka.partitioner.default import murmur2
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
consumer = KafkaConsumer(topic, bootstrap_servers="localhost:9096", auto_offset_reset="earliest")
partitions = len(consumer.partitions_for_topic(topic))
for _, record in zip(range(count), consumer):
    event = from_kafka(KafkaMessage(dict(record.headers), record.key, record.value), JSONFormat())
    data = event.get_data()
    print(json.dumps({
        "id": event.get_id(), "type": event.get_type(), "source": event.get_source(), "subject": event.get_subject(),
        "time": event.get_time() and event.get_time().timestamp(), "content_type": event.get_datacontenttype(), "tenant": event.get_extension("tenantid"),
        "data": data if isinstance(data, (str, dict)) else data.decode(), "key": record.key.decode(),
        "partition": record.partition, "belongs": (murmur2(record.key) & 0x7fffffff) % partitions}))
`

// pythonRecord is a line of pythonReads.
type pythonRecord struct {
	ID, Type, Source, Subject, Tenant, Key string
	ContentType                            string `json:"content_type"`
	Time                                   float64
	Data                                   any
	Partition, Belongs                     int
}

// The bus and programs that speak CloudEvents by its own SDK, through another client of Kafka, read what the
// other publishes, and find the events of one key on one partition.
func TestKafkaSpeaksWithPython(t *testing.T) {
	b := broker.Start(t, broker.Kafka, broker.Options{Image: broker.PyKafka})
	events := make(chan eventbus.DomainEvent, 10)
	bus := speakingBus(t, b.URL, events)
	python := func(program string) []string {
		program = "topic = \"eventbus.order\"\n" +
			"from cloudevents.core.formats.json import JSONFormat\nfrom cloudevents.core.v1.event import CloudEvent\n" + program
		return strings.Split(strings.TrimSpace(b.Exec("python3", "-c", program)), "\n")
	}

	theirs := python(pythonPublishes)
	for _, id := range []string{"e-1", "e-2"} {
		e := <-events
		require.Equal(t, []string{"order.created", id, "/shop", "order-42", "order", "application/json", "zwölf"},
			[]string{e.Type, e.ID, e.Source, e.AggregateID, e.AggregateType, e.ContentType, e.TenantID})
		require.JSONEq(t, `{"total":42}`, string(e.Data()))
	}

	sent := map[string]eventbus.DomainEvent{}
	for i := range 50 {
		e := eventbus.NewRaw("order.paid", "order-"+strconv.Itoa(i), "application/json", []byte(`{"paid":true}`))
		e.TenantID = "elf-ü"
		require.NoError(t, bus.Publish(t.Context(), e))
		sent[e.ID] = <-events
	}
	used := map[int]bool{}
	for _, line := range python(fmt.Sprintf("count = %d\n", len(theirs)+len(sent)) + pythonReads) {
		var r pythonRecord
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		require.Equal(t, r.Belongs, r.Partition, line)
		require.Equal(t, r.Subject, r.Key)
		used[r.Partition] = true
		if r.Subject == "order-42" {
			require.Equal(t, []string{strconv.Itoa(r.Partition), strconv.Itoa(r.Partition)}, theirs)
		}
		if r.Type == "order.created" {
			continue
		}
		e := sent[r.ID]
		require.Equal(t, []string{e.Type, e.Source, e.AggregateID, e.ContentType, e.TenantID},
			[]string{r.Type, r.Source, r.Subject, r.ContentType, r.Tenant})
		require.InDelta(t, float64(e.Time.UnixMicro())/1e6, r.Time, 1e-5)
		require.Equal(t, map[string]any{"paid": true}, r.Data)
		delete(sent, r.ID)
	}
	require.Empty(t, sent, "not read")
	require.Greater(t, len(used), 6, "partitions")
}

// speakingBus is a bus that runs, and hands over what it is sent.
func speakingBus(t *testing.T, brokers string, events chan<- eventbus.DomainEvent) *kafkabus.Bus {
	t.Helper()
	bus, err := kafkabus.New(kafkabus.Options{
		Options: eventbus.Options{Group: "shop", Source: "/ours"}, Brokers: strings.Split(brokers, ","),
		Topics: kafkabus.Topics{Names: []string{"order"}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bus.Shutdown(context.WithoutCancel(t.Context()))) })
	_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{
		Name: "reader", Events: []string{"order.#"},
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			events <- e
			return nil
		}),
	})
	require.NoError(t, err)
	require.NoError(t, bus.Start(t.Context()))
	return bus
}
