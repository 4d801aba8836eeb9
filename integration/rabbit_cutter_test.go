package integration_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// cutter makes connections, and ends each after so many writes, or all at once. Zero means no
// end of writes.
type cutter struct {
	after int64

	mu   sync.Mutex
	made []net.Conn
}

func (c *cutter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.made = append(c.made, conn)
	c.mu.Unlock()
	if c.after == 0 {
		return conn, nil
	}
	cut := &cutConn{Conn: conn}
	cut.left.Store(c.after)
	return cut, nil
}

// cut ends all that were made.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.made {
		_ = conn.Close()
	}
	c.made = nil
}

type cutConn struct {
	net.Conn
	left atomic.Int64
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.left.Add(-1) < 0 {
		return 0, errors.Join(net.ErrClosed, c.Close())
	}
	return c.Conn.Write(p)
}
