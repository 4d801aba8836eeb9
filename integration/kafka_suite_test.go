package integration_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bustest"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// kafkaSession is the shortest that brokers allow.
const kafkaSession = 6 * time.Second

// kafkaPartitions are those of a topic.
const kafkaPartitions = 3

// The bus on Kafka keeps every promise.
func TestKafkaConformance(t *testing.T) {
	bustest.Run(t, bustest.Backend{
		Capabilities: kafkabus.Capabilities(),
		Lease:        kafkaSession,
		Sources:      kafkaPartitions,
		Space: func(t testing.TB) bustest.Space {
			s := &kafkaSpace{at: broker.Use(t, broker.Kafka), lines: map[eventbus.EventBus]*line{}}
			s.proxy = fault.NewProxy(t, fault.Options{Upstream: s.at.Addr})
			return bustest.Space{Open: s.open, Crash: s.crash, Cut: s.proxy.Reset, LoseReply: s.loseReply, Delete: s.vandals(), Inject: s.inject}
		},
	})
}

// kafkaSpace is a prefix on a cluster of one node, behind a proxy of its own.
type kafkaSpace struct {
	at    broker.Space
	proxy *fault.Proxy

	mu    sync.Mutex
	lines map[eventbus.EventBus]*line
}

func (s *kafkaSpace) open(o eventbus.Options) (eventbus.EventBus, error) {
	l := &line{through: s.proxy.Addr()}
	bus, err := kafkabus.New(kafkabus.Options{
		Options: o, Brokers: strings.Split(s.at.URL, ","), Prefix: s.at.Prefix, Dial: l.dial,
		Topics: kafkabus.Topics{Partitions: kafkaPartitions}, Session: kafkaSession, Heartbeat: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[bus] = l
	return bus, nil
}

// crash cuts everything between the bus and the cluster, for good.
func (s *kafkaSpace) crash(bus eventbus.EventBus) {
	s.mu.Lock()
	l := s.lines[bus]
	s.mu.Unlock()
	l.cut()
}

// loseReply is for what only events have.
func (s *kafkaSpace) loseReply() { s.proxy.SwallowReply("ce_id", fault.ThenCut) }

// vandals delete what the buses of the space have made for orders.
func (s *kafkaSpace) vandals() map[string]func(ctx context.Context) error {
	topics := func(names ...string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return s.do(func(c *kafka.Client) error {
				known, err := c.Metadata(ctx, &kafka.MetadataRequest{})
				if err != nil {
					return err
				}
				for _, t := range known.Topics {
					for _, name := range names {
						if strings.HasPrefix(t.Name, s.at.Prefix+name) {
							gone, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{t.Name}})
							if err != nil {
								return err
							}
							if err := gone.Errors[t.Name]; err != nil {
								return err
							}
						}
					}
				}
				return nil
			})
		}
	}
	return map[string]func(ctx context.Context) error{
		"topic": topics(".order"), "retries": topics("-retries."), "ledger": topics("-tries."), "letters": topics("-letters."),
	}
}

func (s *kafkaSpace) do(f func(c *kafka.Client) error) error {
	t := &kafka.Transport{}
	defer t.CloseIdleConnections()
	return f(&kafka.Client{Addr: kafka.TCP(s.at.Addr), Transport: t, Timeout: 10 * time.Second})
}

// inject publishes what another program would.
func (s *kafkaSpace) inject(ctx context.Context, topic string, m bustest.Foreign) error {
	made := func() kafka.Record { // anew for each attempt: the client reads it to its end
		r := kafka.Record{Time: time.Now(), Value: kafka.NewBytes(m.Body)}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, protocol.Header{Key: h.Name, Value: []byte(h.Value)})
			if h.Name == "ce_subject" {
				r.Key = kafka.NewBytes([]byte(h.Value))
			}
		}
		return r
	}
	name := s.at.Prefix + "." + topic
	return s.do(func(c *kafka.Client) error {
		topics, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: kafkaPartitions, ReplicationFactor: 1}}})
		if err != nil {
			return err
		}
		if err := topics.Errors[name]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return err
		}
		for {
			p, err := c.Produce(ctx, &kafka.ProduceRequest{Topic: name, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(made())})
			if err != nil {
				return err
			}
			if !errors.Is(p.Error, kafka.NotLeaderForPartition) { // the topic is a moment old
				return p.Error
			}
		}
	})
}
