package integration_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// redisRig is a prefix on a server, with buses and a client of its own.
type redisRig struct {
	*testing.T
	at    broker.Space
	raw   *redis.Client
	lease time.Duration
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRedisRig(t *testing.T, at broker.Space) *redisRig {
	t.Helper()
	r := &redisRig{T: t, at: at, lease: time.Second, log: &lockedBuffer{}}
	r.raw = r.client(at.Server)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.log)
		}
	})
	return r
}

func (r *redisRig) client(s broker.Server) *redis.Client {
	r.Helper()
	c, err := redisClient(s, nil)
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, c.Close()) })
	return c
}

// bus makes a bus that is shut down when the test ends.
func (r *redisRig) bus(c redis.UniversalClient, o redisbus.Options) *redisbus.Bus {
	r.Helper()
	o.Prefix, o.Group = r.at.Prefix, "shop"
	if o.Lease == 0 {
		o.Lease = r.lease
	}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	bus, err := redisbus.New(c, o)
	require.NoError(r, err)
	r.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
		defer cancel()
		_ = bus.Shutdown(ctx)
	})
	return bus
}

// handled counts the events that a subscriber has handled, by ID.
type handled struct {
	mu sync.Mutex
	n  map[string]int
}

func (h *handled) Handle(_ context.Context, e eventbus.DomainEvent) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = map[string]int{}
	}
	h.n[e.ID]++
	return nil
}

func (h *handled) times() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]int{}
	for id, n := range h.n {
		out[id] = n
	}
	return out
}

func (r *redisRig) running(bus *redisbus.Bus, s eventbus.Subscriber) {
	r.Helper()
	if s.Name == "" {
		s.Name = "mailer"
	}
	if s.Events == nil {
		s.Events = []string{"order.*"}
	}
	_, err := bus.Subscribe(r.Context(), s)
	require.NoError(r, err)
	require.NoError(r, bus.Start(r.Context()))
}

func anOrder(id string) eventbus.DomainEvent {
	e := eventbus.NewRaw("order.created", "a1", "text/plain", []byte("hello"))
	e.ID = id
	return e
}

func (r *redisRig) stream() string { return "{" + r.at.Prefix + ":order:0}" }

// shared is a rig on the server that all tests share.
func shared(t *testing.T) *redisRig { return newRedisRig(t, broker.Use(t, broker.Redis)) }

// alone is a rig on a server of its own.
func alone(t *testing.T, o broker.Options) (*redisRig, *broker.Broker) {
	b := broker.Start(t, broker.Redis, o)
	return newRedisRig(t, broker.Space{Server: b.Server, Prefix: "own"}), b
}
