package fault_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-28af575d/eventbus/integration/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// server answers every line with itself, and counts lines and connections.
type server struct {
	addr  string
	lines atomic.Int64
	open  atomic.Int64
	ends  chan error // how reading from each connection ended
}

func serve(t *testing.T) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{addr: ln.Addr().String(), ends: make(chan error, 10_000)}
	var all sync.WaitGroup
	var conns sync.Map
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Store(c, nil)
			s.open.Add(1)
			all.Go(func() { s.echo(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		all.Wait()
	})
	return s
}

func (s *server) echo(c net.Conn) {
	defer s.open.Add(-1)
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadBytes('\n')
		if err == nil {
			s.lines.Add(1)
			_, err = c.Write(line)
		}
		if err != nil {
			s.ends <- err
			return
		}
	}
}

// client is a connection through the proxy, with a deadline.
type client struct {
	*net.TCPConn
	t *testing.T
	r *bufio.Reader
}

func connect(t *testing.T, p *fault.Proxy) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.Addr(), patience)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return &client{TCPConn: c.(*net.TCPConn), t: t, r: bufio.NewReader(c)}
}

func (c *client) say(text string) {
	c.t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(c.t, err)
}

func (c *client) hear(line string) {
	c.t.Helper()
	got, err := c.r.ReadString('\n')
	require.NoError(c.t, err)
	require.Equal(c.t, line, got)
}

func (c *client) echo(line string) {
	c.t.Helper()
	c.say(line)
	c.hear(line)
}

// silent reads until the time is up; silence cannot be shown otherwise.
func (c *client) silent(d time.Duration) {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(d)))
	_, err := c.r.ReadByte()
	require.ErrorContains(c.t, err, "i/o timeout")
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
}

// lost reads to the end of the connection, which has to come.
func (c *client) lost() error {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c.r)
	var late net.Error
	require.False(c.t, errors.As(err, &late) && late.Timeout(), "the connection does not end")
	return err
}

func refused(t *testing.T, p *fault.Proxy) {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.Addr(), patience)
	if err == nil {
		c.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func none(t *testing.T, p *fault.Proxy, s *server) {
	t.Helper()
	require.Eventually(t, func() bool { return p.Open() == 0 && s.open.Load() == 0 }, patience, time.Millisecond)
}

func within(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.Fail(t, "it did not happen in time")
	}
}
