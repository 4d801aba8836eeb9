package redisbus

import (
	"context"
	"net"
	"sync"
	"time"
)

// line is the connection of a reader, by which a read that waits is ended.
type line struct {
	mu   sync.Mutex
	conn net.Conn
}

// keep makes the dialer leave its connection here.
func (l *line) keep(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.conn = c
		}
		return c, err
	}
}

// hungUp is how long a read may go on after the line was hung up: longer than one waits.
const hungUp = blocked + blocked/4

// hangUp says that nothing more is asked, and waits until the read under way has returned,
// which the server does at once. A connection that is closed instead is closed
// when the server hears of it: until then it hands entries to a reader that is gone, and they
// would wait for the lease. Where the connection cannot say so, the read returns by itself.
func (l *line) hangUp(returned <-chan struct{}) {
	l.mu.Lock()
	c := l.conn
	l.mu.Unlock()
	if c == nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	timer := time.NewTimer(hungUp)
	defer timer.Stop()
	select {
	case <-returned:
	case <-timer.C:
	}
}
