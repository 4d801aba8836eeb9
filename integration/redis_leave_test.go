package integration_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// lateConn is a connection of which the server learns a while later that it was closed.
type lateConn struct {
	net.Conn
	late time.Duration
	once sync.Once
}

func (c *lateConn) Close() error {
	_ = c.SetDeadline(time.Unix(1, 0)) // for the client it is closed
	c.once.Do(func() { time.AfterFunc(c.late, func() { _ = c.Conn.Close() }) })
	return nil
}

// halfConn is one that can be closed for writing.
type halfConn struct{ *lateConn }

func (c *halfConn) CloseWrite() error {
	time.AfterFunc(c.late, func() { _ = c.Conn.(*net.TCPConn).CloseWrite() })
	return nil
}

// TestRedisLeavesNothingBehindAGoodEnd: what is published when a process has ended is handed to
// no reader of it that the server does not know to be gone.
func TestRedisLeavesNothingBehindAGoodEnd(t *testing.T) {
	for name, wrap := range map[string]func(*lateConn) net.Conn{
		"half": func(c *lateConn) net.Conn { return &halfConn{c} },
		"full": func(c *lateConn) net.Conn { return c },
	} {
		t.Run(name, func(t *testing.T) {
			r := shared(t)
			r.lease = time.Hour
			c := redis.NewClient(&redis.Options{Addr: r.at.Server.Addr, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return wrap(&lateConn{Conn: conn, late: 500 * time.Millisecond}), err
			}})
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			got := &handled{}
			bus := r.bus(c, redisbus.Options{})
			r.running(bus, eventbus.Subscriber{Handler: got})
			r.append(r.stream(), "1", "x")
			require.Eventually(t, func() bool { return got.times()["1"] == 1 }, 10*time.Second, time.Millisecond)
			began := time.Now()
			require.NoError(t, bus.Shutdown(t.Context()))
			require.Less(t, time.Since(began), 5*time.Second)
			r.append(r.stream(), "2", "x")
			next := &handled{}
			r.running(r.bus(r.raw, redisbus.Options{}), eventbus.Subscriber{Handler: next})
			require.Eventually(t, func() bool { return next.times()["2"] == 1 }, 10*time.Second, time.Millisecond)
		})
	}
}

// TestRedisEndsAtOnce: a reader that waits is not waited for.
func TestRedisEndsAtOnce(t *testing.T) {
	r := shared(t)
	fastest := time.Hour
	for range 5 {
		bus := r.bus(r.client(r.at.Server), redisbus.Options{})
		got := &handled{}
		r.running(bus, eventbus.Subscriber{Handler: got})
		require.NoError(t, bus.Publish(t.Context(), anOrder("1")))
		require.Eventually(t, func() bool { return got.times()["1"] == 1 }, 10*time.Second, time.Millisecond)
		began := time.Now()
		require.NoError(t, bus.Shutdown(t.Context()))
		fastest = min(fastest, time.Since(began))
	}
	require.Less(t, fastest, 300*time.Millisecond)
}
