package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// kafkaVariable names the brokers: host:port, with commas.
const kafkaVariable = "EVENTBUS_TEST_KAFKA"

var errNoKafka = errors.New("no broker: README.md tells how to start one; then " + kafkaVariable + "=127.0.0.1:27092")

const (
	// kafkaPartitions is how many the topic has, on every side.
	kafkaPartitions = 4
	// kafkaCommits is how often those sides commit that do so by the clock.
	kafkaCommits = 100 * time.Millisecond
)

// kafkaSpace is a topic on a cluster under a prefix of its own, and a client beside those that are
// measured.
type kafkaSpace struct {
	ctx     context.Context
	brokers []string
	prefix  string
	topic   string
	beside  *kafka.Client
}

// newKafkaSpace makes the topic: no side has to while it is measured.
func newKafkaSpace(ctx context.Context, s shape) (*kafkaSpace, error) {
	at := os.Getenv(kafkaVariable)
	if at == "" {
		return nil, errNoKafka
	}
	space := &kafkaSpace{ctx: ctx, brokers: strings.Split(at, ","), prefix: newPrefix()}
	space.topic = space.prefix + "." + s.made.AggregateType // so it is named by docs/wire-kafka.md
	space.beside = space.client()
	made, err := space.beside.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: space.topic, NumPartitions: kafkaPartitions, ReplicationFactor: 1,
	}}})
	if err == nil {
		err = made.Errors[space.topic]
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kafkaVariable, err)
	}
	_, err = space.ends(ctx)
	return space, err
}

// client has connections of its own.
func (s *kafkaSpace) client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(s.brokers...), Transport: &kafka.Transport{}, Timeout: time.Minute}
}

func hangUp(c *kafka.Client) {
	if t, ok := c.Transport.(*kafka.Transport); ok {
		t.CloseIdleConnections()
	}
}

// ends are the offsets behind the last events, as soon as all partitions have a leader.
func (s *kafkaSpace) ends(ctx context.Context) (out [kafkaPartitions]int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	asked := make([]kafka.OffsetRequest, kafkaPartitions)
	for p := range asked {
		asked[p] = kafka.LastOffsetOf(p)
	}
	for {
		out, err = s.askEnds(ctx, asked)
		if err == nil || ctx.Err() != nil {
			return out, err
		}
		if _, again := s.beside.CreateTopics(ctx, &kafka.CreateTopicsRequest{}); again != nil { // kafka-go looks anew then
			return out, errors.Join(err, again)
		}
	}
}

func (s *kafkaSpace) askEnds(ctx context.Context, asked []kafka.OffsetRequest) (out [kafkaPartitions]int64, err error) {
	told, err := s.beside.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{s.topic: asked}})
	if err != nil {
		return out, err
	}
	for _, p := range told.Topics[s.topic] {
		if p.Error != nil {
			return out, p.Error
		}
		out[p.Partition] = p.LastOffset
	}
	return out, nil
}

// Stored is how many events the topic has.
func (s *kafkaSpace) Stored() (n int, err error) {
	ends, err := s.ends(s.ctx)
	for _, end := range ends {
		n += int(end)
	}
	return n, err
}

// Busy is not known: brokers do not tell.
func (*kafkaSpace) Busy() (time.Duration, error) { return 0, nil }

// close removes the topic; what groups have committed goes with it.
func (s *kafkaSpace) close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
	defer cancel()
	defer hangUp(s.beside)
	told, err := s.beside.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{s.topic}})
	if err == nil {
		err = told.Errors[s.topic]
	}
	return err
}

// kafkaBus is the bus on Kafka, as a user gets it. Its subscribers have subscribed before: the
// topics of a group's retries and letters are made once in its life.
type kafkaBus struct {
	*kafkaSpace
	*logBus
}

func (s shape) kafkaBus(ctx context.Context, l load.Load) (load.Log, error) {
	space, err := newKafkaSpace(ctx, s)
	if err != nil {
		return nil, err
	}
	first, err := s.openKafkaBus(l, space)
	for range max(l.Subscribers, 1) {
		if err == nil {
			err = first.Subscribe(func(int) {})
		}
	}
	if first != nil {
		err = errors.Join(err, first.busSide.Stop())
	}
	if err != nil {
		return nil, errors.Join(err, space.close())
	}
	return s.openKafkaBus(l, space)
}

func (s shape) openKafkaBus(l load.Load, space *kafkaSpace) (*kafkaBus, error) {
	bus, err := kafkabus.New(space.options())
	if err != nil {
		return nil, err
	}
	side := &busSide{ctx: space.ctx, load: l, bus: bus, made: s.made, ids: eventIDs()}
	return &kafkaBus{space, &logBus{busSide: side, shape: s}}, bus.Start(space.ctx)
}

func (s *kafkaSpace) options() kafkabus.Options {
	return kafkabus.Options{
		Brokers: s.brokers, Prefix: s.prefix, Topics: kafkabus.Topics{Partitions: kafkaPartitions},
		Options: eventbus.Options{Group: "bench"},
	}
}

func (b *kafkaBus) Stop() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.busSide.ctx), time.Minute)
	defer cancel()
	defer hangUp(b.beside)
	err := b.busSide.Stop()
	eraser, failed := kafkabus.New(b.options())
	if failed == nil {
		failed = errors.Join(eraser.Erase(ctx), eraser.Shutdown(ctx))
	}
	return errors.Join(err, failed)
}
