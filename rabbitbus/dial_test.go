package rabbitbus

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// greeting is what a server begins with: connection.start, section 2.2.4 of AMQP 0-9-1.
func greeting() []byte {
	text := func(b []byte, s string) []byte { return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) }
	body := []byte{0, 10, 0, 10, 0, 9, 0, 0, 0, 0} // class, method, version, no properties
	body = text(text(body, "PLAIN"), "en_US")
	frame := binary.BigEndian.AppendUint32([]byte{frameMethod, 0, 0}, uint32(len(body)))
	return append(append(frame, body...), 0xCE)
}

// A connection that ends during the greeting says nothing of the credentials, and the next node is
// asked.
func TestAnEndDuringTheGreetingIsNoRefusal(t *testing.T) {
	var asked atomic.Int64
	node := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				asked.Add(1)
				_, err = c.Write(greeting())
				if _, failed := c.Read(make([]byte, 8)); failed == nil { // the header of the protocol
					_, failed = c.Read(make([]byte, 4096)) // and the answer
					err = errors.Join(err, failed)
				}
				_ = errors.Join(err, c.Close())
			}
		}()
		return l.Addr().String()
	}
	bus, err := New(Options{
		Options: eventbus.Options{Group: "shop", PublishTimeout: 300 * time.Millisecond}, Addrs: []string{node(), node(), node()},
	})
	require.NoError(t, err)
	_, err = bus.Groups(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrCredentials)
	require.ErrorContains(t, err, "the connection ended during the greeting")
	require.EqualValues(t, 3, asked.Load(), "each node once")
	require.NoError(t, bus.Shutdown(t.Context()))
}

// Each connection asks each node, whatever others ask meanwhile.
func TestNoNodeIsPassedOverWhereManyConnect(t *testing.T) {
	type asker struct{}
	var mu sync.Mutex
	asked := map[int][]string{}
	turn := new(atomic.Uint32)
	o := Options{Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		i, _ := ctx.Value(asker{}).(int)
		asked[i] = append(asked[i], addr)
		turn.Add(1) // as somebody else has come in by the next
		return nil, net.ErrClosed
	}}
	d := dialer{target{addrs: []string{"a:1", "b:1", "c:1"}}, o.withDefaults(), turn}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			_, err := d.dial(context.WithValue(t.Context(), asker{}, i), "testing")
			assert.ErrorIs(t, err, net.ErrClosed)
		})
	}
	all.Wait()
	for i := range 200 {
		require.ElementsMatch(t, d.at.addrs, asked[i])
	}
}
