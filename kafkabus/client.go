package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/seed-28af575d/eventbus"
)

// client speaks with one cluster. There is one for each bus: all of its connections are made from
// the same settings.
type client struct {
	options   Options
	dialer    *kafka.Dialer // of consumer groups
	transport candid        // of all else
	api       *kafka.Client
	addr      net.Addr
	end       context.CancelFunc // of what kafka-go does by itself
	closed    atomic.Bool
	forsaken  forsaken
	readings  readings
}

// answerTime is how long a broker may take for a request that waits for nothing.
const answerTime = 10 * time.Second

func newClient(o Options) (*client, error) {
	s, err := newSecure(o)
	if err != nil {
		return nil, err
	}
	c := &client{options: o, addr: kafka.TCP(o.Brokers...)}
	c.dialer = &kafka.Dialer{ClientID: clientID, DialFunc: s.dial, Timeout: o.DialTimeout}
	t := &kafka.Transport{ClientID: clientID, Dial: s.dial, DialTimeout: o.DialTimeout, MetadataTTL: metadataAge}
	t.Context, c.end = context.WithCancel(context.Background())
	c.transport = candid{t, s}
	c.api = &kafka.Client{Addr: c.addr, Transport: c}
	c.readings.client = c
	return c, nil
}

// clientID is what brokers write into their logs.
const clientID = "eventbus"

// metadataAge is how old the client's picture of the cluster may be. Whoever notices that it is
// wrong has it refreshed.
const metadataAge = 2 * time.Second

// RoundTrip asks, until the client is closed: kafka-go would begin anew.
func (c *client) RoundTrip(ctx context.Context, addr net.Addr, r kafka.Request) (kafka.Response, error) {
	if c.closed.Load() {
		return nil, fmt.Errorf("%w: %w", errNotSent, eventbus.ErrClosed)
	}
	answer, err := c.transport.RoundTrip(ctx, addr, r)
	if err != nil && c.closed.Load() {
		err = fmt.Errorf("%w: %w", eventbus.ErrClosed, err)
	}
	return answer, err
}

// close ends the connections that are idle, and those in use when they are.
func (c *client) close() {
	c.closed.Store(true)
	c.end()
	c.transport.CloseIdleConnections()
	c.readings.close()
}

// bounded is a context that ends: kafka-go sets no deadline of its own.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, answerTime)
}

// refresh asks for the picture of the cluster anew, and waits for it: kafka-go does so for whoever
// makes topics, even none.
func (c *client) refresh(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := c.api.CreateTopics(ctx, &kafka.CreateTopicsRequest{})
	return err
}

// find takes a new picture if the topic is not in that of now: another process may have made it a moment ago.
func (c *client) find(ctx context.Context, topic string) error {
	known, err := c.topics(ctx)
	if err == nil && known[topic].partitions == 0 {
		err = c.refresh(ctx)
	}
	return err
}

// topic is what the cluster says of one.
type topic struct {
	name       string
	partitions int
	replicas   int // of the partition that has fewest
	ready      bool
}

// topics returns the topics of the cluster by name, as they were a moment ago.
func (c *client) topics(ctx context.Context) (map[string]topic, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	m, err := c.api.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	found := make(map[string]topic, len(m.Topics))
	for i := range m.Topics {
		t := &m.Topics[i]
		if t.Error != nil {
			continue
		}
		x := topic{name: t.Name, partitions: len(t.Partitions), ready: len(t.Partitions) > 0}
		for j := range t.Partitions {
			p := &t.Partitions[j]
			x.ready = x.ready && p.Error == nil && p.Leader.Host != ""
			if x.replicas == 0 || len(p.Replicas) < x.replicas {
				x.replicas = len(p.Replicas)
			}
		}
		found[t.Name] = x
	}
	return found, nil
}

// make makes topics that are missing, and waits until they can be used. One that is there stays as it
// is.
func (c *client) make(ctx context.Context, configs ...kafka.TopicConfig) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	made, err := c.api.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: configs})
	if err != nil {
		return err
	}
	for name, err := range made.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("make topic %s: %w", name, typed(err))
		}
	}
	for _, x := range configs {
		if err := c.awaitTopic(ctx, x.Topic); err != nil {
			return err
		}
	}
	return nil
}

// awaitTopic waits until all partitions of a topic have a leader.
func (c *client) awaitTopic(ctx context.Context, name string) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		known, err := c.topics(ctx)
		if err != nil {
			return err
		}
		if known[name].ready {
			return nil
		}
		if !pause(ctx, wait) {
			return fmt.Errorf("topic %s has no leader: %w", name, ctx.Err())
		}
		if err := c.refresh(ctx); err != nil {
			return err
		}
	}
}

// pause waits, and returns false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// compressions are kafka-go's numbers by name.
var compressions = map[string]protocol.Attributes{
	"none": 0, "gzip": protocol.Gzip, "snappy": protocol.Snappy, "lz4": protocol.Lz4, "zstd": protocol.Zstd,
}
