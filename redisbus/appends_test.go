package redisbus

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// stalling is a connection whose first write of a large body waits.
type stalling struct {
	net.Conn
	stalls *sync.Once
	began  chan struct{}
	goOn   chan struct{}
}

func (c *stalling) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("large")) {
		c.stalls.Do(func() {
			close(c.began)
			<-c.goOn
		})
	}
	return c.Conn.Write(p)
}

// What go-redis is still sending after its caller has gone is what that caller gave.
func TestABatchThatIsUnderWayIsNotUsedAgain(t *testing.T) {
	server := miniredis.RunT(t)
	stall := stalling{stalls: &sync.Once{}, began: make(chan struct{}), goOn: make(chan struct{})}
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &stalling{c, stall.stalls, stall.began, stall.goOn}, err
	}})
	tr := newTransport(client, Options{}.withDefaults())
	t.Cleanup(func() { require.NoError(t, tr.clients.close()); require.NoError(t, client.Close()) })
	send := func(ctx context.Context, bodies ...string) []error {
		var ms []engine.Message
		for _, body := range bodies {
			ms = append(ms, engine.Message{To: engine.Address{Topic: "order"}, Type: "order.created", Body: []byte(body)})
		}
		return tr.Send(ctx, ms)
	}
	large := string(bytes.Repeat([]byte("large"), 1<<17))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-stall.began; cancel() }()
	for _, err := range send(ctx, large, "second", "third") {
		require.ErrorIs(t, err, eventbus.ErrUnknown)
	}
	for range 3 {
		require.Nil(t, send(t.Context(), "other", "other", "other"))
	}
	close(stall.goOn)
	bodies := map[string]int{}
	require.Eventually(t, func() bool {
		entries, err := client.XRange(t.Context(), "{eventbus:order:0}", "-", "+").Result()
		require.NoError(t, err)
		clear(bodies)
		for _, e := range entries {
			body, _ := e.Values["data"].(string)
			bodies[body]++
		}
		return len(entries) == 12
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, map[string]int{large: 1, "second": 1, "third": 1, "other": 9}, bodies)
}
