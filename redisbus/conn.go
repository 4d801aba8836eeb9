package redisbus

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"syscall"
)

// traffic counts what is written to the server beyond the greeting of a new connection. A
// command that fails while nothing was written by anybody was not sent: without this,
// a server that is away and greets nobody would leave the fate of every event unknown.
type traffic struct{ writes atomic.Uint64 }

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// count makes the connections of the dialer count.
func (t *traffic) count(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return withSyscalls(&conn{Conn: c, traffic: t}, c), nil
	}
}

// withSyscalls returns c, which wraps raw, with that of raw by which go-redis sees that the
// server has closed it.
func withSyscalls(c, raw net.Conn) net.Conn {
	if s, ok := raw.(syscall.Conn); ok {
		return &rawConn{c, s}
	}
	return c
}

type rawConn struct {
	net.Conn
	raw syscall.Conn
}

func (c *rawConn) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }

type conn struct {
	net.Conn
	traffic *traffic
}

func (c *conn) Write(p []byte) (int, error) {
	if !greets(p) {
		c.traffic.writes.Add(1)
	}
	return c.Conn.Write(p)
}

// greetings are the commands with which go-redis begins a connection.
var greetings = [][]byte{[]byte("hello\r\n"), []byte("auth\r\n"), []byte("select\r\n"), []byte("client\r\n"), []byte("ping\r\n"), []byte("readonly\r\n")}

// greets reports whether what is written begins with a greeting: *<n>\r\n$<length>\r\n<name>.
func greets(p []byte) bool {
	if len(p) == 0 || p[0] != '*' {
		return false
	}
	p = p[:min(len(p), 64)]
	for range 2 {
		_, after, ok := bytes.Cut(p, []byte("\r\n"))
		if !ok {
			return false
		}
		p = after
	}
	for _, g := range greetings {
		if bytes.HasPrefix(p, g) {
			return true
		}
	}
	return false
}
