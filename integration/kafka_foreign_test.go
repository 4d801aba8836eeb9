package integration_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

const (
	loadTopic      = loadPrefix + ".order" // where the load's events are
	loadPartitions = 6                     // of it
)

// kafkaProducer is another program that publishes on Kafka, to the topic of the load.
type kafkaProducer struct {
	*testing.T
	client *kafka.Client
	sent   int
}

// kafkaRecord is what it publishes. A value of nil is a tombstone.
type kafkaRecord struct {
	key, value []byte
	headers    []protocol.Header
}

func newKafkaProducer(t *testing.T, s broker.Server) *kafkaProducer {
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafkaProducer{T: t, client: &kafka.Client{Addr: kafka.TCP(s.Addr), Transport: transport, Timeout: 30 * time.Second}}
}

func foreignOnKafka(t *testing.T, s broker.Server) foreign { return newKafkaProducer(t, s) }

// takes makes the topic of the load.
func (p *kafkaProducer) takes(size int) {
	p.Helper()
	made, err := p.client.CreateTopics(p.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: loadTopic, NumPartitions: loadPartitions, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(size)}},
	}}})
	require.NoError(p, err)
	require.NoError(p, made.Errors[loadTopic])
}

func (p *kafkaProducer) event(attributes map[string]string, data []byte) {
	p.Helper()
	r := kafkaRecord{value: data}
	for name, value := range attributes {
		r.headers = append(r.headers, protocol.Header{Key: "ce_" + name, Value: []byte(value)})
	}
	p.record(r)
}

func (p *kafkaProducer) bare(data []byte) { p.record(kafkaRecord{value: data}) }

// record publishes anything, to one partition after the other.
func (p *kafkaProducer) record(r kafkaRecord) {
	p.Helper()
	p.sent++
	p.to(loadTopic, p.sent%loadPartitions, r)
}

func (p *kafkaProducer) to(topic string, partition int, r kafkaRecord) {
	p.Helper()
	for {
		stored, err := p.client.Produce(p.Context(), &kafka.ProduceRequest{
			Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{ // anew for each attempt: the client reads it to its end
				Time: time.Now(), Key: kafka.NewBytes(r.key), Value: kafka.NewBytes(r.value), Headers: r.headers,
			}),
		})
		require.NoError(p, err)
		if !errors.Is(stored.Error, kafka.NotLeaderForPartition) { // the topic is a moment old
			require.NoError(p, stored.Error)
			return
		}
	}
}

// kafkaPoison is what another producer may write into a topic and nobody can read.
var kafkaPoison = func() map[string]kafkaRecord {
	header := func(pairs ...string) (hs []protocol.Header) {
		for i := 0; i < len(pairs); i += 2 {
			hs = append(hs, protocol.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return hs
	}
	attributes := func(more ...string) []protocol.Header {
		return header(append([]string{"ce_type", "order.created", "ce_source", "/x"}, more...)...)
	}
	version, id, asJSON := []string{"ce_specversion", "1.0"}, []string{"ce_id", "p"}, []string{"content-type", "application/json"}
	whole := append(append([]string(nil), version...), id...)
	structured := header("content-type", "application/cloudevents+json")
	return map[string]kafkaRecord{
		"no headers":           {value: []byte(`{"total":1}`)},
		"a tombstone":          {},
		"a tombstone of a key": {key: []byte("a1")},
		"an empty body":        {value: []byte{}},
		"nothing of ours":      {value: []byte("{}"), headers: header("hello", "world", "empty", "")},
		"another version":      {value: []byte("{}"), headers: attributes(append(id, "ce_specversion", "7.0")...)},
		"no version":           {value: []byte("{}"), headers: attributes(id...)},
		"no ID":                {value: []byte("{}"), headers: attributes(version...)},
		"no type":              {value: []byte("{}"), headers: header(append(whole, "ce_source", "/x")...)},
		"an attribute twice":   {value: []byte("{}"), headers: attributes(append(whole, "ce_id", "q")...)},
		"attributes not UTF-8": {value: []byte("{}"), headers: attributes(append(version, "ce_id", "\xff\xfe\xff")...)},
		"payload not JSON":     {value: []byte(`{"total":`), headers: attributes(append(whole, asJSON...)...)},
		"payload bytes":        {value: []byte("\xff\x00\xff"), headers: attributes(append(whole, asJSON...)...)},
		"bytes everywhere":     {key: []byte("\xff\x00"), value: []byte("\xff"), headers: header("\xff\x00", "\x00\xff")},
		"structured not JSON":  {value: []byte(`{"specversion":`), headers: structured},
		"structured a list":    {value: []byte(`[1,2]`), headers: structured},
		"structured nothing":   {headers: structured},
	}
}()

func (p *kafkaProducer) poison(int) (texts []string) {
	p.Helper()
	for _, r := range kafkaPoison {
		p.record(r)
		header := map[string]string{}
		for _, h := range r.headers {
			header[letterName(h.Key)] += string(h.Value)
		}
		texts = append(texts, keptText(header, r.value))
	}
	return texts
}
