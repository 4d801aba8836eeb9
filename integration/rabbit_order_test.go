package integration_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// deserter dials, and can leave what it has dialled: for the client these connections have
// failed, and the server knows nothing of that until heartbeats are missing.
type deserter struct {
	t *testing.T

	mu    sync.Mutex
	conns []*deserted
}

type deserted struct {
	net.Conn
	left atomic.Bool
}

func (d *deserter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.t.Cleanup(func() { _ = raw.Close() })
	c := &deserted{Conn: raw}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, c)
	return c, nil
}

func (d *deserter) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		c.left.Store(true)
		_ = c.SetDeadline(time.Unix(1, 0))
	}
	d.conns = nil
}

func (c *deserted) SetDeadline(t time.Time) error { return c.Conn.SetDeadline(c.late(t)) }

func (c *deserted) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(c.late(t)) }

func (c *deserted) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.late(t)) }

func (c *deserted) late(t time.Time) time.Time {
	if c.left.Load() {
		return time.Unix(1, 0)
	}
	return t
}

func (c *deserted) Close() error {
	if c.left.Load() {
		return nil
	}
	return c.Conn.Close()
}

// The server holds what a lost connection was handed until it notices the loss. What is
// younger is not handled before that.
func TestRabbitKeepsOrderWhileTheServerNoticesNothing(t *testing.T) {
	r := sharedRabbit(t)
	const events, window = 40, 10
	d := &deserter{t: t}
	bus := r.bus(rabbitbus.Options{Dial: d.dial, Heartbeat: time.Second, Options: eventbus.Options{Window: window}})
	var (
		mu    sync.Mutex
		seen  []string
		all   []string
		first = make(chan struct{})
		left  = make(chan struct{})
	)
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
	received := func() (n, held uint64) {
		s, _ := bus.Stats(t.Context()) // what the server would say is missing while it cannot be asked
		if len(s.Subscribers) == 0 {
			return 0, 0
		}
		return s.Subscribers[0].Received, uint64(s.Subscribers[0].InFlight)
	}
	r.running(bus, eventbus.Subscriber{Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
		if e.ID == "o-00" {
			select {
			case first <- struct{}{}:
				<-left
			case <-left:
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(seen, e.ID) {
			seen = append(seen, e.ID)
		}
		return nil
	})})
	for i := range events {
		e := anOrder(fmt.Sprintf("o-%02d", i))
		e.AggregateID = "one"
		all = append(all, e.ID)
		require.NoError(t, bus.Publish(t.Context(), e))
	}
	<-first
	require.Eventually(t, func() bool {
		n, _ := received()
		return n == window
	}, 10*time.Second, time.Millisecond)
	d.leave()
	require.Eventually(t, func() bool { // what was received is given up
		n, held := received()
		return n > window || n > 0 && held < window
	}, 10*time.Second, time.Millisecond)
	close(left)
	require.Eventually(t, func() bool { return count() == events }, 30*time.Second, 10*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, all, seen)
}
