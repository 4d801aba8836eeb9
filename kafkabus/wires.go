package kafkabus

import (
	"context"
	"net"
	"sync"

	"github.com/segmentio/kafka-go"
)

// wires are the connections of a consumer, all of which can be cut. Its methods may be called concurrently.
type wires struct {
	mu    sync.Mutex
	conns map[*notedConn]struct{}
	isCut bool
}

// notedConn is one of them.
type notedConn struct {
	net.Conn
	of *wires
}

// through returns a dialer whose connections are noted here.
func (w *wires) through(d *kafka.Dialer) *kafka.Dialer {
	noting := *d
	noting.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialFunc(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.isCut {
			_ = c.Close() // nothing was said
			return nil, net.ErrClosed
		}
		noted := &notedConn{c, w}
		if w.conns == nil {
			w.conns = map[*notedConn]struct{}{}
		}
		w.conns[noted] = struct{}{}
		return noted, nil
	}
	return &noting
}

func (c *notedConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// cut closes them, and lets none be made any more.
func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for c := range w.conns {
		_ = c.Conn.Close() // whoever uses it is told
	}
}
