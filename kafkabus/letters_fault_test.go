package kafkabus

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// faults are the connections of a client that can be cut.
type faults struct {
	mu    sync.Mutex
	conns []*faultyConn
	armed int // answers to requests to store something that are to be lost
	lost  int
}

type faultyConn struct {
	net.Conn
	faults *faults
	doomed bool // the next answer is lost, and with it the connection
}

func (f *faults) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &faultyConn{Conn: conn, faults: f}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, c)
	return c, nil
}

// cut ends all connections that there are.
func (f *faults) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

// lose loses the next answers to requests that store something, when the broker has done so.
func (f *faults) lose(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.lost = n, 0
}

func (f *faults) losses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// Write looks whether a request to store something begins: after its length there is its kind, 0.
func (c *faultyConn) Write(b []byte) (int, error) {
	c.faults.mu.Lock()
	if c.faults.armed > 0 && len(b) > 8 && b[4] == 0 && b[5] == 0 {
		c.doomed = true
		c.faults.armed--
		c.faults.lost++
	}
	c.faults.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	if c.doomed && err == nil {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// faulty returns a store whose connections can be cut.
func (b *testBroker) faulty() (*letterStore, *faults) {
	f := &faults{}
	o := b.client.options
	o.Dial = f.dial
	return b.storeOn(testClient(b.t, o), letterOptions{}), f
}

// TestLettersWhereConnectionsEnd: a call makes another one.
func TestLettersWhereConnectionsEnd(t *testing.T) {
	b := realBroker(t)
	s, f := b.faulty()
	require.NoError(t, s.Put(t.Context(), lettertwins.Letter(0)))
	f.cut()
	require.NoError(t, s.Put(t.Context(), lettertwins.Letter(1)))
	f.cut()
	require.Len(t, b.list(s, dlq.Filter{}, 1), 2)
	f.cut()
	_, err := s.Take(t.Context(), "000001", time.Minute)
	require.NoError(t, err)
	f.cut()
	require.NoError(t, s.Release(t.Context(), "000001"))
	f.cut()
	n, err := s.Remove(t.Context(), "000001")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	f.cut()
	require.NoError(t, s.forget(t.Context(), "shop.mailer"))
	f.cut()
	n, err = s.Count(t.Context(), dlq.Filter{})
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestWhatIsStoredThoughNobodySaysSo is done once.
func TestWhatIsStoredThoughNobodySaysSo(t *testing.T) {
	b := realBroker(t)
	s, f := b.faulty()
	other := b.another()
	require.NoError(t, s.join(t.Context(), "shop.mailer"))
	for _, answers := range []int{1, 2} {
		f.lose(answers)
		require.NoError(t, s.Put(t.Context(), lettertwins.Letter(1)))
		require.Positive(t, f.losses())
		f.lose(0)
		require.NoError(t, s.Put(t.Context(), lettertwins.Letter(2)))
		require.Equal(t, []string{"000001", "000002"}, b.list(other, dlq.Filter{}, 1))

		f.lose(answers)
		_, err := s.Take(t.Context(), "000001", time.Minute)
		require.NoError(t, err)
		_, err = other.Take(t.Context(), "000001", time.Minute)
		require.ErrorIs(t, err, dlq.ErrTaken)
		require.Equal(t, answers, f.losses())

		f.lose(answers)
		require.NoError(t, s.Release(t.Context(), "000001"))
		_, err = other.Take(t.Context(), "000001", time.Minute)
		require.NoError(t, err)

		f.lose(answers)
		n, err := s.Remove(t.Context(), "000002", "none", "000001")
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, answers, f.losses())
		require.Empty(t, b.list(other, dlq.Filter{}, 1))
	}
}

// TestWhatMayBeStored is said so, when it has been tried for a while.
func TestWhatMayBeStored(t *testing.T) {
	b := realBroker(t)
	s, f := b.faulty()
	s.bounds.patience = 30 * time.Millisecond
	b.fill(s, 1)
	f.lose(1 << 20)
	_, err := s.Take(t.Context(), "000000", time.Minute)
	require.ErrorIs(t, err, eventbus.ErrUnknown)
	require.ErrorContains(t, err, `kafkabus: take letter "000000": `)
	_, err = s.Remove(t.Context(), "000000")
	require.ErrorIs(t, err, eventbus.ErrUnknown)
	f.lose(0)
	require.Empty(t, b.list(s, dlq.Filter{}, 9))
}
