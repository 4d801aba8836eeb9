package integration_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bustest"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/internal/wire"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// The bus on Redis keeps every promise, on the newest and on the oldest that it works with.
func TestRedisConformance(t *testing.T) {
	redisConformance(t, func(t testing.TB) broker.Space { return broker.Use(t, broker.Redis) })
}

func TestRedisConformanceOldest(t *testing.T) {
	b := broker.Start(t, broker.Redis, broker.Options{Image: broker.OldestRedis})
	redisConformance(t, func(testing.TB) broker.Space {
		return broker.Space{Server: b.Server, Prefix: "p" + strings.ToLower(rand.Text()[:12])}
	})
}

func redisConformance(t *testing.T, use func(t testing.TB) broker.Space) {
	bustest.Run(t, bustest.Backend{
		Capabilities: redisbus.Capabilities(),
		Space: func(t testing.TB) bustest.Space {
			s := &redisSpace{at: use(t), lines: map[eventbus.EventBus]*line{}}
			return bustest.Space{Open: s.open, Crash: s.crash, Inject: s.inject}
		},
	})
}

// redisSpace is a prefix on a server.
type redisSpace struct {
	at broker.Space

	mu    sync.Mutex
	lines map[eventbus.EventBus]*line
}

func (s *redisSpace) open(o eventbus.Options) (eventbus.EventBus, error) {
	l := &line{}
	client, err := redisClient(s.at.Server, l.dial)
	if err != nil {
		return nil, err
	}
	bus, err := redisbus.New(client, redisbus.Options{Options: o, Prefix: s.at.Prefix, Lease: time.Second})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[bus] = l
	return bus, nil
}

// crash cuts everything between the bus and the server, for good.
func (s *redisSpace) crash(bus eventbus.EventBus) {
	s.mu.Lock()
	l := s.lines[bus]
	s.mu.Unlock()
	l.cut()
}

func (s *redisSpace) inject(ctx context.Context, topic string, m bustest.Foreign) error {
	c, err := redisClient(s.at.Server, nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	var header []wire.Field
	for _, h := range m.Headers {
		header = append(header, wire.Field{Name: h.Name, Value: h.Value})
	}
	return errors.Join(
		c.SAdd(ctx, s.at.Prefix+":topics", topic).Err(),
		c.XAdd(ctx, &redis.XAddArgs{
			Stream: "{" + s.at.Prefix + ":" + topic + ":0}",
			Values: []any{"ce", wire.AppendHeader(nil, header), "data", m.Body},
		}).Err(),
	)
}

func redisClient(s broker.Server, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (*redis.Client, error) {
	o, err := redis.ParseURL(s.URL)
	if err != nil {
		return nil, err
	}
	o.Dialer = dial
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled} // its goroutines outlive Close
	return redis.NewClient(o), nil
}

// line are the connections of one bus.
type line struct {
	mu    sync.Mutex
	conns []net.Conn
	dead  bool
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("the process is dead")}
	}
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
	if err == nil {
		l.conns = append(l.conns, c)
	}
	return c, err
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for _, c := range l.conns {
		_ = c.Close()
	}
}
