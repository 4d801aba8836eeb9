package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/cluster"
)

const partitions = 3

// topic is a topic, and what was confirmed of it.
type topic struct {
	t         *testing.T
	c         *cluster.KafkaCluster
	name      string
	client    *kafka.Client
	writer    *kafka.Writer
	confirmed []string
}

func newTopic(t *testing.T, c *cluster.KafkaCluster, name string) *topic {
	transport := &kafka.Transport{DialTimeout: 2 * time.Second, MetadataTTL: 500 * time.Millisecond}
	addr := kafka.TCP(strings.Split(c.Server.URL, ",")...)
	p := &topic{
		t: t, c: c, name: name,
		client: &kafka.Client{Addr: addr, Transport: transport},
		writer: &kafka.Writer{
			Addr: addr, Transport: transport, Topic: name, RequiredAcks: kafka.RequireAll, Balancer: &kafka.RoundRobin{},
			BatchTimeout: time.Millisecond, WriteTimeout: 5 * time.Second, MaxAttempts: 100,
		},
	}
	t.Cleanup(func() {
		_ = p.writer.Close()
		transport.CloseIdleConnections()
	})
	r, err := p.client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: -1, // the cluster's own
	}}})
	require.NoError(t, err)
	require.NoError(t, r.Errors[name])
	c.AwaitReplicated()
	return p
}

// write tries to write a record to each partition, and returns when all are confirmed.
func (p *topic) write(bound time.Duration) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), bound)
	defer cancel()
	for range partitions {
		value := fmt.Sprint("record ", len(p.confirmed))
		if err := p.writer.WriteMessages(ctx, kafka.Message{Value: []byte(value)}); err != nil {
			return err
		}
		p.confirmed = append(p.confirmed, value)
	}
	return nil
}

// read returns all records.
func (p *topic) read() (values []string) {
	for i := range partitions {
		from := int64(0)
		for {
			r, err := p.client.Fetch(p.t.Context(), &kafka.FetchRequest{Topic: p.name, Partition: i, Offset: from, MaxBytes: 1 << 20})
			require.NoError(p.t, errors.Join(err, r.Error))
			for {
				record, err := r.Records.ReadRecord()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(p.t, err)
				value, err := kafka.ReadAll(record.Value)
				require.NoError(p.t, err)
				values, from = append(values, string(value)), record.Offset+1
			}
			if from >= r.HighWatermark {
				break
			}
		}
	}
	return values
}

func TestKafkaWritesWithTwoOfThreeAndRefusesWithOne(t *testing.T) {
	long(t)
	lap := took(t)
	c := cluster.Kafka(t)
	lap("three nodes up")
	p := newTopic(t, c, "orders")
	require.NoError(t, p.write(time.Minute))
	lap("topic made and written to")

	c.Nodes[2].Kill()
	require.NoError(t, p.write(time.Minute))
	lap("killed one, and all partitions written to again")

	c.Nodes[1].Kill()
	before := len(p.confirmed)
	for range 3 {
		require.Error(t, p.write(5*time.Second))
	}
	require.Len(t, p.confirmed, before, "nothing is confirmed by one of three")
	lap("killed a second, and three writes refused")

	broker.StartAll(c.Nodes[1], c.Nodes[2])
	lap("both started again")
	c.AwaitReplicated()
	lap("no partition under-replicated")
	require.NoError(t, p.write(time.Minute))
	require.Subset(t, p.read(), p.confirmed)
	lap("all that was confirmed read")
}

func TestKafkaHasAnotherLeaderWhenOneIsKilled(t *testing.T) {
	long(t)
	c := cluster.Kafka(t)
	p := newTopic(t, c, "orders")
	require.NoError(t, p.write(time.Minute))

	lap := took(t)
	first := c.Leader("orders", 0)
	c.Nodes[first].Kill()
	second := c.Leader("orders", 0)
	lap(fmt.Sprintf("killed %s, and %s leads", c.Nodes[first].Name(), c.Nodes[second].Name()))
	require.NotEqual(t, first, second)
	require.NoError(t, p.write(time.Minute))
	lap("written again")

	c.Nodes[first].Start()
	lap("started again")
	c.AwaitReplicated()
	lap("no partition under-replicated")
	require.Subset(t, p.read(), p.confirmed)
}
