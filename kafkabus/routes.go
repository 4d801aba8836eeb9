package kafkabus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus"
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
	taken   time.Time
	topics  map[string]*route
	brokers map[int32]string // addresses of leaders
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
	p := &picture{time.Now(), make(map[string]*route, len(m.Topics)), make(map[int32]string, len(m.Brokers))}
	for i := range m.Topics {
		if t := &m.Topics[i]; t.Error == nil && len(t.Partitions) > 0 {
			p.topics[t.Name] = routeOf(t)
		}
	}
	for _, b := range m.Brokers {
		p.brokers[int32(b.ID)] = addressOf(b)
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
func (r *routes) forget() {
	if p := r.now.Load(); p != nil {
		r.now.Store(&picture{topics: p.topics, brokers: p.brokers})
	}
}

// again asks the cluster, and looks.
func (r *routes) again(ctx context.Context) (*picture, error) {
	if err := r.client.refresh(ctx); err != nil {
		return nil, err
	}
	r.forget()
	return r.look(ctx)
}

// partition is that of a key, as Java's client chooses it; messages without one are spread.
func (r *routes) partition(x *route, key string) int32 {
	if key == "" {
		return int32(r.spread.Add(1) % uint32(len(x.partitions)))
	}
	return partitionOf(key, x.partitions)
}

func partitionOf(key string, of []int) int32 {
	return int32(kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(key)}, of...))
}

// target is the topic that stands for the address.
func (t *transport) target(to engine.Address) string {
	if to.Group != "" {
		return t.names.retries(to.Group)
	}
	return t.names.events(to.Topic)
}

// routed returns a picture of the cluster, and what is wrong with topics of the messages. Those that are
// missing are made, if they may be.
func (t *transport) routed(ctx context.Context, ms []engine.Message) (*picture, map[string]error, error) {
	p, err := t.routes.look(ctx)
	if err == nil {
		err = t.announce(ctx, ms)
	}
	if err != nil {
		return nil, nil, err
	}
	missing := t.missing(p, ms)
	if len(missing) == 0 {
		return p, nil, nil
	}
	if p, err = t.routes.again(ctx); err != nil {
		return nil, nil, err
	}
	wrong := map[string]error{}
	for name, to := range t.missing(p, ms) {
		if err := t.supply(ctx, name, to); err != nil {
			wrong[name] = err
		}
	}
	t.routes.forget()
	p, err = t.routes.look(ctx)
	return p, wrong, err
}

// missing are the topics of the messages that are not in the picture.
func (t *transport) missing(p *picture, ms []engine.Message) map[string]engine.Address {
	var out map[string]engine.Address
	last := engine.Address{}
	for i := range ms {
		to := ms[i].To
		if i > 0 && to == last {
			continue
		}
		last = to
		if name := t.target(to); p.topics[name] == nil {
			if out == nil {
				out = map[string]engine.Address{}
			}
			out[name] = to
		}
	}
	return out
}

// supply makes a topic of events.
func (t *transport) supply(ctx context.Context, name string, to engine.Address) error {
	switch {
	case to.Group != "":
		return fmt.Errorf("%w: %w: %s is missing: subscribe first", eventbus.ErrRefused, ErrTopic, name)
	case t.options.Topics.Passive:
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, missingTopic(name))
	}
	return t.client.make(ctx, t.eventsConfig(name))
}
