package integration_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bustest"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
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
		Lease:        redisLease,
		Space: func(t testing.TB) bustest.Space {
			s := newRedisSpace(t, use(t))
			return bustest.Space{
				Open: s.open, OpenAs: s.openAs, OpenKeeping: s.openKeeping,
				Crash: s.crash, Cut: s.proxy.Reset, LoseReply: s.loseReply, Delete: s.vandals(), Inject: s.inject,
			}
		},
	})
}

const redisLease = time.Second

// redisSpace is a prefix on a server, behind a proxy of its own.
type redisSpace struct {
	at    broker.Space
	proxy *fault.Proxy
	raw   *redis.Client // past the proxy

	mu    sync.Mutex
	lines map[eventbus.EventBus]*line
}

func newRedisSpace(t testing.TB, at broker.Space) *redisSpace {
	raw, err := redisClient(at.Server, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, raw.Close()) })
	return &redisSpace{
		at: at, raw: raw, lines: map[eventbus.EventBus]*line{},
		proxy: fault.NewProxy(t, fault.Options{Upstream: at.Addr}),
	}
}

func (s *redisSpace) open(o eventbus.Options) (eventbus.EventBus, error) {
	return s.openWith(redisbus.Options{Options: o, Lease: redisLease})
}

func (s *redisSpace) openAs(name string, o eventbus.Options) (eventbus.EventBus, error) {
	return s.openWith(redisbus.Options{Options: o, Lease: time.Hour, Consumer: name})
}

func (s *redisSpace) openKeeping(events int, o eventbus.Options) (eventbus.EventBus, error) {
	return s.openWith(redisbus.Options{Options: o, Lease: redisLease, Retain: events})
}

func (s *redisSpace) openWith(o redisbus.Options) (eventbus.EventBus, error) {
	l := &line{through: s.proxy.Addr()}
	client, err := redisClient(s.at.Server, l.dial)
	if err != nil {
		return nil, err
	}
	o.Prefix = s.at.Prefix
	bus, err := redisbus.New(client, o)
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

func (s *redisSpace) loseReply() { s.proxy.SwallowReply("xadd", fault.ThenCut) }

func (s *redisSpace) inject(ctx context.Context, topic string, m bustest.Foreign) error {
	id := "*"
	if m.Age > 0 {
		id = fmt.Sprintf("%d-*", time.Now().Add(-m.Age).UnixMilli())
	}
	var header []wire.Field
	for _, h := range m.Headers {
		header = append(header, wire.Field{Name: h.Name, Value: h.Value})
	}
	return errors.Join(
		s.raw.SAdd(ctx, s.at.Prefix+":topics", topic).Err(),
		s.raw.XAdd(ctx, &redis.XAddArgs{
			Stream: s.stream(topic), ID: id,
			Values: []any{"ce", wire.AppendHeader(nil, header), "data", m.Body},
		}).Err(),
	)
}

func (s *redisSpace) stream(topic string) string { return "{" + s.at.Prefix + ":" + topic + ":0}" }

// vandals delete what the buses of the space have made for orders.
func (s *redisSpace) vandals() map[string]func(ctx context.Context) error {
	keys := func(pattern string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			found, err := s.raw.Keys(ctx, pattern).Result()
			if err == nil && len(found) == 0 {
				err = errors.New("there is nothing like " + pattern)
			}
			return cmp.Or(err, s.raw.Del(ctx, found...).Err())
		}
	}
	return map[string]func(ctx context.Context) error{
		"keys":       keys("*" + s.at.Prefix + "*"),
		"stream":     keys(s.stream("order")),
		"own stream": keys(s.stream("order") + ":*"),
		"topics":     keys(s.at.Prefix + ":topics"),
		"group":      s.deleteGroups,
		"scripts":    func(ctx context.Context) error { return s.raw.ScriptFlush(ctx).Err() },
	}
}

func (s *redisSpace) deleteGroups(ctx context.Context) error {
	groups, err := s.raw.XInfoGroups(ctx, s.stream("order")).Result()
	for _, g := range groups {
		err = errors.Join(err, s.raw.XGroupDestroy(ctx, s.stream("order"), g.Name).Err())
	}
	return err
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
