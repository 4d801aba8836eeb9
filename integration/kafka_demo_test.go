package integration_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// The sums of the demo add up too where the broker is killed in its middle, and it leaves
// nothing behind.
func TestKafkaIsKilledUnderTheDemo(t *testing.T) {
	command := buildDemo(t)
	for name, c := range map[string]struct {
		poison string
		orders int
		middle func(t *testing.T, k *demoKafka) (is bool)
	}{
		"publishing": {"payment.declined", 4000, func(t *testing.T, k *demoKafka) bool { return k.published(t.Context()) > 6000 }},
		"replaying": {"order.#", 700, func() func(*testing.T, *demoKafka) bool {
			most := 0
			return func(t *testing.T, k *demoKafka) bool {
				now := k.letters(t)
				most = max(most, now)
				return now < most*3/4
			}
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "replaying" && testing.Short() {
				t.Skip("a letter whose lease was not confirmed is free after 30 s")
			}
			b := broker.Start(t, broker.Kafka, broker.Options{})
			k := newDemoKafka(t, b.Server)
			demo := startDemo(t, command, "kafka://"+b.URL, "--orders", strconv.Itoa(c.orders), "--poison", c.poison)
			require.Eventually(t, func() bool { return c.middle(t, k) }, time.Minute, 5*time.Millisecond)
			b.Kill()
			require.False(t, demo.isOver(), "which was the middle")
			b.Start()
			demo.addsUp(c.orders * 8)
			require.Eventually(t, func() bool { return len(k.names(t.Context())) == 0 }, 10*time.Second, 50*time.Millisecond, "on the cluster")
		})
	}
}

// demoKafka is a cluster that a demo runs on.
type demoKafka struct {
	client *kafka.Client
	server broker.Server
	bus    *kafkabus.Bus // with the demo's prefix, once that is known
}

func newDemoKafka(t *testing.T, server broker.Server) *demoKafka {
	t.Helper()
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	k := &demoKafka{server: server}
	k.client = &kafka.Client{Addr: kafka.TCP(server.Addr), Transport: transport, Timeout: 10 * time.Second}
	return k
}

// topics are the demo's, by the client's newest picture.
func (k *demoKafka) topics(ctx context.Context) (ts []kafka.Topic) {
	known, err := k.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil
	}
	for _, t := range known.Topics {
		if strings.HasPrefix(t.Name, "eventbus-demo-") {
			ts = append(ts, t)
		}
	}
	return ts
}

// names are those of the demo's topics and groups; one that stands for an error if they are not told.
func (k *demoKafka) names(ctx context.Context) (names []string) {
	for _, t := range k.topics(ctx) {
		names = append(names, t.Name)
	}
	groups, err := k.client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return append(names, err.Error())
	}
	for _, g := range groups.Groups {
		names = append(names, g.GroupID)
	}
	return names
}

// published counts the events in the demo's topics: they have a dot behind the prefix.
func (k *demoKafka) published(ctx context.Context) (n int) {
	asked := map[string][]kafka.OffsetRequest{}
	for _, t := range k.topics(ctx) {
		if prefix, _, _ := strings.Cut(t.Name, "."); strings.Count(prefix, "-") == 2 {
			for _, p := range t.Partitions {
				asked[t.Name] = append(asked[t.Name], kafka.LastOffsetOf(p.ID))
			}
		}
	}
	if len(asked) == 0 {
		return 0
	}
	told, err := k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: asked})
	if err != nil {
		return 0
	}
	for _, partitions := range told.Topics {
		for _, p := range partitions {
			n += int(max(p.LastOffset, 0))
		}
	}
	return n
}

// letters counts the demo's dead letters.
func (k *demoKafka) letters(t *testing.T) int {
	t.Helper()
	if k.bus == nil {
		ts := k.topics(t.Context())
		i := slices.IndexFunc(ts, func(t kafka.Topic) bool { return strings.Contains(t.Name, "-letters.") })
		if i < 0 {
			return 0
		}
		prefix, group, _ := strings.Cut(ts[i].Name, "-letters.")
		group, _, _ = strings.Cut(group, ".")
		bus, err := kafkabus.New(kafkabus.Options{
			Options: eventbus.Options{Group: group}, Brokers: []string{k.server.Addr}, Prefix: prefix,
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, bus.Shutdown(context.WithoutCancel(t.Context()))) })
		k.bus = bus
	}
	q, ok := dlq.Of(k.bus)
	require.True(t, ok)
	n, err := q.Count(t.Context(), dlq.All)
	if err != nil {
		return 0
	}
	return n
}
