package kafkabus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// routes are where messages go: which partitions a topic has, and who leads them. They are a picture
// of the cluster that may be a moment old.
type routes struct {
	client *client
	now    atomic.Pointer[picture]
	mu     sync.Mutex // of who takes a new one
	spread atomic.Uint32
}

type picture struct {
	taken  time.Time
	topics map[string]*route
}

type route struct {
	partitions []int   // 0, 1, 2 …
	leaders    []int32 // by partition; -1: none
}

// look returns the picture, or a new one if that is old.
func (r *routes) look(ctx context.Context) (*picture, error) {
	if p := r.now.Load(); p != nil && time.Since(p.taken) < metadataAge {
		return p, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.now.Load(); p != nil && time.Since(p.taken) < metadataAge {
		return p, nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	m, err := r.client.api.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	p := &picture{time.Now(), make(map[string]*route, len(m.Topics))}
	for i := range m.Topics {
		if t := &m.Topics[i]; t.Error == nil && len(t.Partitions) > 0 {
			p.topics[t.Name] = routeOf(t)
		}
	}
	r.now.Store(p)
	return p, nil
}

func routeOf(t *kafka.Topic) *route {
	x := &route{make([]int, len(t.Partitions)), make([]int32, len(t.Partitions))}
	for i := range x.partitions {
		x.partitions[i], x.leaders[i] = i, -1
	}
	for i := range t.Partitions {
		if p := &t.Partitions[i]; p.ID < len(x.leaders) && p.Error == nil && p.Leader.Host != "" {
			x.leaders[p.ID] = int32(p.Leader.ID)
		}
	}
	return x
}

// forget has the next look taken anew, after the client was told to look itself.
func (r *routes) forget() { r.now.Store(nil) }

// again asks the cluster, and looks.
func (r *routes) again(ctx context.Context) (*picture, error) {
	if err := r.client.refresh(ctx); err != nil {
		return nil, err
	}
	r.forget()
	return r.look(ctx)
}

// partition is that of a key, as Java's client chooses it; messages without one are spread.
func (r *routes) partition(x *route, key []byte) int32 {
	if len(key) == 0 {
		return int32(r.spread.Add(1) % uint32(len(x.partitions)))
	}
	return int32(kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, x.partitions...))
}

// shardsPerLeader is into how many parts what goes to a broker is spread: while one is under way, the
// others collect.
const shardsPerLeader = 2

// Shard is that of the partition's leader, so that one Send is one request as long as the picture is right.
func (t *transport) Shard(to engine.Address, key string) uint32 {
	p := t.routes.now.Load()
	if p == nil {
		return 0
	}
	x := p.topics[t.target(to)]
	if x == nil || key == "" {
		return 0
	}
	partition := t.routes.partition(x, []byte(key))
	return uint32(max(x.leaders[partition], 0))*shardsPerLeader + uint32(partition)%shardsPerLeader
}

// target is the topic that stands for the address.
func (t *transport) target(to engine.Address) string {
	if to.Group != "" {
		return t.names.retries(to.Group)
	}
	return t.names.events(to.Topic)
}

// routed returns a picture in which the topics of all messages are; those that are missing are made, or
// refused.
func (t *transport) routed(ctx context.Context, ms []engine.Message) (*picture, error) {
	p, err := t.routes.look(ctx)
	if err == nil {
		err = t.announce(ctx, ms)
	}
	if err != nil {
		return nil, err
	}
	missing, last := map[string]engine.Address(nil), engine.Address{}
	for i := range ms {
		if to := ms[i].To; i == 0 || to != last {
			last = to
			if name := t.target(to); p.topics[name] == nil {
				if missing == nil {
					missing = map[string]engine.Address{}
				}
				missing[name] = to
			}
		}
	}
	if len(missing) == 0 {
		return p, nil
	}
	if p, err = t.routes.again(ctx); err != nil {
		return nil, err
	}
	var configs []kafka.TopicConfig
	for name, to := range missing {
		if p.topics[name] != nil {
			continue
		}
		if t.options.Topics.Passive {
			return nil, fmt.Errorf("%w: %s is missing, and Options.Topics.Passive forbids to make it", ErrTopic, name)
		}
		if to.Group != "" {
			return nil, fmt.Errorf("%w: %s is missing: subscribe first", ErrTopic, name)
		}
		configs = append(configs, t.eventsConfig(name))
	}
	if len(configs) > 0 {
		if err := t.client.make(ctx, configs...); err != nil {
			return nil, err
		}
	}
	t.routes.forget()
	return t.routes.look(ctx)
}
