package kafkabus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// guarded makes the dialer's connections tell what was certainly not sent; plain means that what they carry
// is not encrypted.
func guarded(dial func(context.Context, string, string) (net.Conn, error), plain bool) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotSent, err)
		}
		return &conn{Conn: c, plain: plain}, nil
	}
}

// errNotSent is that of a connection over which the request has not begun to go.
var errNotSent = errors.New("not sent")

// conn carries one request at a time, and its answer. kafka-go keeps connections for later, and does not
// look whether the broker has closed them meanwhile: a request that is written to such a one is gone, and
// its fate unknown to whoever does not look first.
type conn struct {
	net.Conn
	plain    bool        // requests can be read
	begun    atomic.Bool // of the request
	produces atomic.Bool // or is not a request that stores anything
}

// storing is the key of requests that store records (Kafka protocol, API keys).
const storing = 0

func (c *conn) Write(p []byte) (int, error) {
	if !c.begun.Load() && hungUp(c.Conn) {
		return 0, fmt.Errorf("%w: the broker has closed the connection to %s", errNotSent, c.RemoteAddr())
	}
	if c.plain && !c.begun.Load() && len(p) >= 6 { // length, and then the key of the request
		c.produces.Store(binary.BigEndian.Uint16(p[4:]) == storing)
	}
	n, err := c.Conn.Write(p)
	if err != nil && n == 0 && !c.begun.Load() {
		return 0, fmt.Errorf("%w: %w", errNotSent, err)
	}
	if n > 0 {
		c.begun.Store(true)
	}
	return n, err
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && n == 0 && c.plain && !c.produces.Load() { // as when a broker goes while it is being greeted
		return 0, fmt.Errorf("%w: %w", errNotSent, err)
	}
	if n > 0 {
		c.begun.Store(false) // what is written next is another request
	}
	return n, err
}
