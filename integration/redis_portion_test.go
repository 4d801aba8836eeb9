package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// readings are the sizes of the answers to XREADGROUP.
type readings struct {
	mu    sync.Mutex
	sizes []int
}

type readingConn struct {
	net.Conn
	of    *readings
	reads bool // the last that was asked
}

// on makes a client count what it reads.
func (r *readings) on(t *testing.T, s broker.Server) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &readingConn{Conn: conn, of: r}, err
	}})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func (c *readingConn) Write(p []byte) (int, error) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.reads = bytes.Contains(p, []byte("xreadgroup")); c.reads {
		c.of.sizes = append(c.of.sizes, 0)
	}
	return c.Conn.Write(p)
}

// Read is for a single reader: of several nobody knows whose answer it is.
func (c *readingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.reads {
		c.of.sizes[len(c.of.sizes)-1] += n
	}
	return n, err
}

// answers returns how many had something in them, and the size of the largest.
func (r *readings) answers() (n, largest int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, size := range r.sizes {
		if size > 100 {
			n++
		}
		largest = max(largest, size)
	}
	return n, largest
}

// backlog has so many events read, and waits until they are handled.
func (r *readings) backlog(rig *redisRig, events int, data string) {
	rig.Helper()
	_, err := rig.raw.Pipelined(rig.Context(), func(p redis.Pipeliner) error {
		for i := range events {
			p.XAdd(rig.Context(), &redis.XAddArgs{Stream: rig.stream(), Values: []any{
				"ce", fmt.Sprintf(`{"specversion":"1.0","id":"%d","type":"order.created","source":"/x"}`, i), "data", data,
			}})
		}
		return nil
	})
	require.NoError(rig, err)
	got := &handled{}
	rig.running(rig.bus(r.on(rig.T, rig.at.Server), redisbus.Options{}), eventbus.Subscriber{Handler: got})
	require.Eventually(rig, func() bool { return len(got.times()) == events }, 60*time.Second, 10*time.Millisecond)
}

// TestRedisReadsWhatIsLargeInPortions: neither the server nor the process holds a window full of
// large events at once.
func TestRedisReadsWhatIsLargeInPortions(t *testing.T) {
	r, _ := alone(t, broker.Options{})
	answers := &readings{}
	answers.backlog(r, 120, strings.Repeat("x", 900<<10))
	n, largest := answers.answers()
	require.Less(t, largest, 16<<20, "of 105 MiB")
	require.Less(t, n, 60, "and not one by one")
}

// TestRedisReadsWhatIsSmallInLargePortions: there is a round trip for hundreds of events.
func TestRedisReadsWhatIsSmallInLargePortions(t *testing.T) {
	r := shared(t)
	answers := &readings{}
	const events = 20_000
	answers.backlog(r, events, "x")
	n, _ := answers.answers()
	require.Less(t, n, events/200)
}
