package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// kafkaWatermill is Watermill's kafka, without its router. What can be tuned is: the same headers
// and key as those of the others instead of metadata alone, acks from all replicas, several requests
// under way, commits by the clock. That it sends the messages of a call one by one, and waits for the
// ack of each message of a partition before the next, cannot.
type kafkaWatermill struct {
	*kafkaSpace
	readers
	load      load.Load
	shape     shape
	ids       []string
	publisher *kafka.Publisher
	ends      []func() error
	groups    int
}

func (s shape) kafkaWatermill(ctx context.Context, l load.Load) (load.Log, error) {
	space, err := newKafkaSpace(ctx, s)
	if err != nil {
		return nil, err
	}
	w := &kafkaWatermill{kafkaSpace: space, load: l, shape: s, ids: eventIDs()}
	w.publisher, err = kafka.NewPublisher(kafka.PublisherConfig{
		Brokers: space.brokers, Marshaler: newRecords(s), OverwriteSaramaConfig: tuned(),
	}, nil)
	if err != nil {
		return nil, errors.Join(err, space.close())
	}
	return w, nil
}

// tuned is sarama's configuration.
func tuned() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = kafkaCommits
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	c.Consumer.MaxWaitTime = kafkaCommits
	c.ChannelBufferSize = 4096
	return c
}

// records is a marshaller whose messages are stored as the events of the other sides.
type records struct {
	headers []sarama.RecordHeader
}

func newRecords(s shape) records {
	var r records
	for _, h := range s.kafkaHeaders() {
		r.headers = append(r.headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
	}
	return r
}

func (r records) Marshal(topic string, m *message.Message) (*sarama.ProducerMessage, error) {
	key := []byte(m.Metadata["subject"])
	headers := append(make([]sarama.RecordHeader, 0, len(r.headers)), r.headers...)
	headers[kafkaID].Value, headers[kafkaSubject].Value, headers[kafkaKey].Value = []byte(m.UUID), key, key
	headers[kafkaVersion].Value = []byte(m.Metadata["version"])
	return &sarama.ProducerMessage{
		Topic: topic, Key: sarama.ByteEncoder(key), Value: sarama.ByteEncoder(m.Payload), Headers: headers,
	}, nil
}

func (r records) Unmarshal(m *sarama.ConsumerMessage) (*message.Message, error) {
	var e envelope
	for _, h := range m.Headers {
		e.attribute(string(h.Key), h.Value)
	}
	out := message.NewMessage(e.ID, m.Value)
	out.Metadata = message.Metadata{
		"specversion": e.SpecVersion, "type": e.Type, "source": e.Source, "subject": e.Subject, "time": e.Time, "version": e.AggregateVersion,
	}
	return out, nil
}

func (w *kafkaWatermill) message(i int) *message.Message {
	m := message.NewMessage(w.ids[i%distinctIDs], w.shape.made.Data())
	m.Metadata["subject"], m.Metadata["version"] = w.load.Keys[i%len(w.load.Keys)], strconv.Itoa(i)
	return m
}

func (w *kafkaWatermill) Publish(sp load.Span) error {
	batch := make([]*message.Message, 0, w.load.Batch)
	for i := sp.From; i < sp.To; i += sp.Step {
		if batch = append(batch, w.message(i)); len(batch) < w.load.Batch && i+sp.Step < sp.To {
			continue
		}
		if err := w.publisher.Publish(w.topic, batch...); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

func (w *kafkaWatermill) Subscribe(handle func(i int)) error {
	w.groups++
	s, err := kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: w.brokers, Unmarshaler: newRecords(w.shape), OverwriteSaramaConfig: tuned(),
		ConsumerGroup: fmt.Sprint(w.prefix, ".group-", w.groups), ReconnectRetrySleep: time.Second,
	}, nil)
	if err != nil {
		return err
	}
	messages, err := s.Subscribe(w.ctx, w.topic)
	if err != nil {
		return err
	}
	w.ends = append(w.ends, s.Close)
	w.run(func() error { return w.read(messages, handle) })
	return nil
}

func (w *kafkaWatermill) read(messages <-chan *message.Message, handle func(i int)) error {
	for m := range messages {
		e, err := envelope{
			SpecVersion: m.Metadata["specversion"], ID: m.UUID, Type: m.Metadata["type"], Source: m.Metadata["source"],
			Subject: m.Metadata["subject"], Time: m.Metadata["time"], AggregateVersion: m.Metadata["version"],
		}.recorded(w.shape, m.Payload)
		if err != nil {
			return err
		}
		handle(e.version)
		m.Ack()
	}
	return nil
}

func (w *kafkaWatermill) Stop() error {
	err := w.publisher.Close()
	for _, end := range w.ends {
		err = errors.Join(err, end())
	}
	return errors.Join(err, w.wait(), w.close())
}
