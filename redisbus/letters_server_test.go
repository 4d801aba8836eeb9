package redisbus

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// testServer is a Redis server, or one in this process, and a prefix that is the test's own.
type testServer struct {
	name   string
	client *redis.Client
	prefix string
	mini   *miniredis.Miniredis // nil of a real server
}

// testServers are miniredis and, where EVENTBUS_TEST_REDIS is host:port or a URL, the real
// one. Whatever the test leaves there under its prefix goes when it ends.
func testServers(t testing.TB) []testServer {
	mini := miniredis.RunT(t)
	servers := []testServer{{name: "miniredis", client: testClient(t, &redis.Options{Addr: mini.Addr()}), prefix: "p", mini: mini}}
	if real, ok := realServer(t); ok {
		servers = append(servers, real)
	}
	return servers
}

func realServer(t testing.TB) (testServer, bool) {
	addr := os.Getenv("EVENTBUS_TEST_REDIS")
	if addr == "" {
		return testServer{}, false
	}
	if !strings.Contains(addr, "://") {
		addr = "redis://" + addr
	}
	o, err := redis.ParseURL(addr)
	if err != nil {
		t.Fatal("EVENTBUS_TEST_REDIS is neither host:port nor a URL of Redis")
	}
	s := testServer{name: "real", client: testClient(t, o), prefix: "eventbus-test-" + strings.ToLower(rand.Text())}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if keys := s.keys(ctx, t); len(keys) > 0 {
			require.NoError(t, s.client.Unlink(ctx, keys...).Err())
		}
	})
	return s, true
}

// testClient tries everything once, and ends a call with its context.
func testClient(t testing.TB, o *redis.Options) *redis.Client {
	o.MaxRetries, o.ContextTimeoutEnabled, o.PushNotificationProcessor = -1, true, nil
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// each runs the test on every server.
func onEachServer(t *testing.T, test func(t *testing.T, s testServer)) {
	for _, s := range testServers(t) {
		t.Run(s.name, func(t *testing.T) { test(t, s) })
	}
}

func (s testServer) keys(ctx context.Context, t testing.TB) (keys []string) {
	all := s.client.Scan(ctx, 0, "*"+s.prefix+":*", 1000).Iterator()
	for all.Next(ctx) {
		keys = append(keys, all.Val())
	}
	require.NoError(t, all.Err())
	return keys
}

// dump is everything under the prefix, to see that nothing has changed.
func (s testServer) dump(t testing.TB) map[string]any {
	out := map[string]any{}
	for _, key := range s.keys(t.Context(), t) {
		kind, err := s.client.Type(t.Context(), key).Result()
		require.NoError(t, err)
		switch kind {
		case "hash":
			out[key] = s.client.HGetAll(t.Context(), key).Val()
		case "zset":
			out[key] = s.client.ZRange(t.Context(), key, 0, -1).Val()
		case "string":
			out[key] = s.client.Get(t.Context(), key).Val()
		default:
			out[key] = kind
		}
	}
	return out
}

// pass lets so much of the leases' time pass.
func (s testServer) pass(t testing.TB, d time.Duration) {
	if s.mini != nil {
		s.mini.FastForward(d)
		return
	}
	for _, key := range s.keys(t.Context(), t) {
		left, err := s.client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		switch {
		case left < 0: // it has none
		case left <= d:
			require.NoError(t, s.client.Del(t.Context(), key).Err())
		default:
			require.NoError(t, s.client.PExpire(t.Context(), key, left-d).Err())
		}
	}
}

func storeOn(c *redis.Client, prefix string) *letterStore {
	return newLetterStore(&clients{commands: c}, prefix)
}
