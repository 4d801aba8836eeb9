package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// guarded makes the dialer's connections tell what was certainly not sent.
func guarded(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotSent, err)
		}
		return &conn{Conn: c}, nil
	}
}

// errNotSent is that of a connection over which the request has not begun to go.
var errNotSent = errors.New("not sent")

// conn carries one request at a time, and its answer. kafka-go keeps connections for later, and does not
// look whether the broker has closed them meanwhile: a request that is written to such a one is gone, and
// its fate unknown to whoever does not look first.
type conn struct {
	net.Conn
	begun bool // of the request; written to and read by one goroutine at a time
}

func (c *conn) Write(p []byte) (int, error) {
	if !c.begun && hungUp(c.Conn) {
		return 0, fmt.Errorf("%w: the broker has closed the connection to %s", errNotSent, c.RemoteAddr())
	}
	n, err := c.Conn.Write(p)
	if err != nil && n == 0 && !c.begun {
		return 0, fmt.Errorf("%w: %w", errNotSent, err)
	}
	c.begun = c.begun || n > 0
	return n, err
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.begun = false // what is written next is another request
	}
	return n, err
}

// hungUp reports whether the other side has closed the connection, as far as it is known here.
func hungUp(c net.Conn) (over bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		over = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return over || err != nil
}
