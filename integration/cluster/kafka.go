package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

const kafkaNodes = 3

// KafkaCluster is three nodes, each broker and controller. Topics have three replicas
// unless they say otherwise, of which two must have a record for acks=all.
type KafkaCluster struct {
	t testing.TB
	// Nodes are the nodes. Kafka's node.id is the index plus one.
	Nodes []*broker.Node
	// Server is all of them: its URL is the list.
	Server broker.Server
	// Servers are the nodes' own, for clients that begin at a certain one.
	Servers []broker.Server
}

// Kafka starts a cluster that is the test's alone.
func Kafka(t testing.TB) *KafkaCluster {
	t.Helper()
	network := broker.NewNetwork(t)
	c := &KafkaCluster{t: t}
	var specs []broker.Spec
	var addrs []string
	for i, port := range freePorts(t, kafkaNodes) {
		s := broker.Kafka.At(port)
		c.Servers, addrs = append(c.Servers, s), append(addrs, s.Addr)
		specs = append(specs, broker.Spec{
			Name: fmt.Sprintf("Kafka node %d", i+1), Image: broker.Kafka.Image(),
			Ports:   map[string]int{"9092/tcp": port},
			Env:     kafkaSettings(network, i, s.Addr),
			Network: network.Name, Host: fmt.Sprintf("kafka%d", i+1), IP: network.IP(i),
			Ready: func(ctx context.Context) error { return c.up(ctx, i) },
		})
	}
	c.Server = broker.Server{Kind: broker.Kafka, Addr: addrs[0], URL: strings.Join(addrs, ",")}
	c.Nodes = start(t, specs)
	c.AwaitReplicated()
	return c
}

// Leader returns which node leads the partition, by its own word. If none does, as after
// the leader was killed, it waits for the next.
func (c *KafkaCluster) Leader(topic string, partition int) int {
	c.t.Helper()
	return find(c.t, c.Nodes, func(ctx context.Context, i int) error {
		v, err := c.view(ctx, i)
		if err != nil {
			return err
		}
		for _, p := range v.partitions {
			switch {
			case p.Topic != topic || p.ID != partition:
			case p.Error != nil:
				return p.Error
			case p.Leader.ID != i+1:
				return fmt.Errorf("says that node %d leads %s/%d", p.Leader.ID, topic, partition)
			default:
				return nil
			}
		}
		return fmt.Errorf("knows no %s/%d", topic, partition)
	})
}

// AwaitReplicated returns when each node says that all are there, and that no partition is
// under-replicated.
func (c *KafkaCluster) AwaitReplicated() {
	c.t.Helper()
	await(c.t, c.Nodes, func(ctx context.Context, i int) error {
		v, err := c.view(ctx, i)
		if err != nil {
			return err
		}
		if len(v.brokers) != kafkaNodes {
			return fmt.Errorf("sees %d nodes", len(v.brokers))
		}
		return underReplicated(v.partitions)
	})
}

func underReplicated(partitions []kafka.Partition) error {
	for _, p := range partitions {
		inSync := 0
		for _, b := range p.Isr {
			if b.ID != 0 { // the library's word for one that does not run
				inSync++
			}
		}
		if p.Error != nil {
			return fmt.Errorf("of %s/%d: %w", p.Topic, p.ID, p.Error)
		}
		if inSync < len(p.Replicas) {
			return fmt.Errorf("of %s/%d %d of %d replicas are in sync", p.Topic, p.ID, inSync, len(p.Replicas))
		}
	}
	return nil
}

// up returns nil if the node is a member by its own word: it has registered, so what was
// known of its former life is over.
func (c *KafkaCluster) up(ctx context.Context, i int) error {
	v, err := c.view(ctx, i)
	if err != nil {
		return err
	}
	for _, b := range v.brokers {
		if b.ID == i+1 {
			return nil
		}
	}
	return fmt.Errorf("sees %d nodes without itself", len(v.brokers))
}

// view is the cluster as one node sees it.
type view struct {
	brokers    []kafka.Broker
	partitions []kafka.Partition
}

func (c *KafkaCluster) view(ctx context.Context, i int) (v view, err error) {
	conn, err := (&kafka.Dialer{}).DialContext(ctx, "tcp", c.Servers[i].Addr)
	if err != nil {
		return v, err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return v, err
		}
	}
	if v.brokers, err = conn.Brokers(); err != nil {
		return v, err
	}
	v.partitions, err = conn.ReadPartitions()
	return v, err
}

func kafkaSettings(network broker.Network, i int, addr string) map[string]string {
	voters := make([]string, kafkaNodes)
	for j := range voters {
		voters[j] = fmt.Sprintf("%d@%s:9094", j+1, network.IP(j))
	}
	return map[string]string{
		"KAFKA_NODE_ID":                                  fmt.Sprint(i + 1),
		"KAFKA_PROCESS_ROLES":                            "broker,controller",
		"KAFKA_LISTENERS":                                "PLAINTEXT://0.0.0.0:9092,INTERNAL://0.0.0.0:9093,CONTROLLER://0.0.0.0:9094",
		"KAFKA_ADVERTISED_LISTENERS":                     fmt.Sprintf("PLAINTEXT://%s,INTERNAL://%s:9093", addr, network.IP(i)),
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_INTER_BROKER_LISTENER_NAME":               "INTERNAL",
		"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":                 strings.Join(voters, ","),
		"KAFKA_DEFAULT_REPLICATION_FACTOR":               "3",
		"KAFKA_MIN_INSYNC_REPLICAS":                      "2",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "3",
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS":             "4",
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "3",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "2",
		"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS":     "4",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
		// A node that was killed is missed, and its partitions led by others, when its session
		// has ended: 9 s if nobody says otherwise. Two busy cores make a living one late by 2 s.
		"KAFKA_BROKER_SESSION_TIMEOUT_MS":    "5000",
		"KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500",
		"KAFKA_HEAP_OPTS":                    "-Xms256m -Xmx512m",
	}
}
