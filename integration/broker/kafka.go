package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

const kafkaImage = "apache/kafka:4.3.1"

// PyKafka is the image of a Kafka that has Python clients too.
const PyKafka = "eventbus-test/pykafka:1"

// KafkaWithin is where commands of [Node.Exec] find the broker.
const KafkaWithin = "localhost:9096"

// Names of what is on a Kafka server begin with what it is.
const (
	aTopic = "topic "
	aGroup = "group "
)

type kafkaProtocol struct{}

func (kafkaProtocol) name() string     { return "Kafka" }
func (kafkaProtocol) variable() string { return "EVENTBUS_TEST_KAFKA" }
func (kafkaProtocol) image() string    { return kafkaImage }

// inside: a broker tells its clients where to go on, so those of the proxy have a listener
// of their own, which sends them to the proxy again.
func (kafkaProtocol) inside() []string { return []string{"9092/tcp", "9095/tcp"} }
func (kafkaProtocol) proxiedPort() int { return 1 }

func (kafkaProtocol) at(ports []int) Server {
	return Server{Kind: Kafka, Addr: local(ports[0]), URL: local(ports[0])}
}

func (kafkaProtocol) parse(value string) (Server, error) {
	brokers := strings.Split(value, ",")
	for i, b := range brokers {
		brokers[i] = strings.TrimSpace(b)
		host, port, err := net.SplitHostPort(brokers[i])
		if err != nil || host == "" || port == "" {
			return Server{}, errors.New("not a list of host:port with commas")
		}
	}
	return Server{Kind: Kafka, Addr: brokers[0], URL: strings.Join(brokers, ",")}, nil
}

func (kafkaProtocol) settings(ports []int, proxy int) Spec {
	return Spec{Env: map[string]string{
		"KAFKA_NODE_ID":       "1",
		"KAFKA_PROCESS_ROLES": "broker,controller",
		"KAFKA_LISTENERS":     "PLAINTEXT://0.0.0.0:9092,PROXIED://0.0.0.0:9095,CONTROLLER://0.0.0.0:9094,WITHIN://" + KafkaWithin,
		"KAFKA_ADVERTISED_LISTENERS": fmt.Sprintf("PLAINTEXT://%s,PROXIED://%s,WITHIN://%s",
			local(ports[0]), local(proxy), KafkaWithin),
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,WITHIN:PLAINTEXT",
		"KAFKA_INTER_BROKER_LISTENER_NAME":               "PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":                 "1@localhost:9094",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "1",
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS":             "4",
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
		"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS":     "4",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
		// A broker that was killed comes back only when its old session has ended: 9 s if nobody says otherwise.
		"KAFKA_BROKER_SESSION_TIMEOUT_MS":    "3000",
		"KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500",
		"KAFKA_HEAP_OPTS":                    "-Xms256m -Xmx512m",
	}}
}

func (kafkaProtocol) use(s Server, f func(*kafka.Client) error) error {
	t := &kafka.Transport{DialTimeout: 3 * time.Second}
	defer t.CloseIdleConnections()
	return f(&kafka.Client{Addr: kafka.TCP(strings.Split(s.URL, ",")...), Transport: t, Timeout: 10 * time.Second})
}

// ready asks for more than a port: a broker listens before it knows of itself.
func (p kafkaProtocol) ready(ctx context.Context, s Server) error {
	conn, err := (&kafka.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	brokers, err := conn.Brokers()
	if err == nil && len(brokers) == 0 {
		err = errors.New("it knows of no broker yet")
	}
	if err == nil {
		_, err = conn.Controller()
	}
	return err
}

func (p kafkaProtocol) names(ctx context.Context, s Server, prefix string) (names []string, err error) {
	err = p.use(s, func(c *kafka.Client) error {
		groups, err := c.ListGroups(ctx, &kafka.ListGroupsRequest{})
		if err != nil {
			return err
		}
		for _, g := range groups.Groups {
			if strings.Contains(g.GroupID, prefix) {
				names = append(names, aGroup+g.GroupID)
			}
		}
		topics, err := c.Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			return err
		}
		for _, t := range topics.Topics {
			if strings.Contains(t.Name, prefix) {
				names = append(names, aTopic+t.Name)
			}
		}
		return nil
	})
	return names, err
}

func (p kafkaProtocol) remove(ctx context.Context, s Server, names []string) error {
	var topics, groups []string
	for _, name := range names {
		if topic, ok := strings.CutPrefix(name, aTopic); ok {
			topics = append(topics, topic)
		} else {
			groups = append(groups, strings.TrimPrefix(name, aGroup))
		}
	}
	return p.use(s, func(c *kafka.Client) error {
		return errors.Join(deleteTopics(ctx, c, topics), deleteGroups(ctx, c, groups))
	})
}

func deleteTopics(ctx context.Context, c *kafka.Client, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	r, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics})
	if err != nil {
		return err
	}
	return firstBut(r.Errors, kafka.UnknownTopicOrPartition)
}

// deleteGroups deletes those without members; a member that was killed is one until its
// session ends.
func deleteGroups(ctx context.Context, c *kafka.Client, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	r, err := c.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: groups})
	if err != nil {
		return err
	}
	return firstBut(r.Errors, kafka.GroupIdNotFound)
}

func firstBut(errs map[string]error, fine kafka.Error) error {
	for name, err := range errs {
		if err != nil && !errors.Is(err, fine) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
