package integration_test

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// line are the connections of one bus, whatever its broker.
type line struct {
	through string // the address of a proxy; "": straight to where the client wants

	mu    sync.Mutex
	conns []net.Conn
	dead  bool
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("the process is dead")}
	}
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, cmp.Or(l.through, addr))
	if err == nil {
		l.conns = append(l.conns, c)
	}
	return c, err
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for _, c := range l.conns {
		_ = c.Close()
	}
}
