package redisbus

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// gate spares a server that does not accept the credentials the attempts of every connection
// that the bus wants: until it accepts one, one tries in each refusalPause, and the others are
// told what it was told. Connections that stand are not touched.
type gate struct {
	mu      sync.Mutex
	refused error     // as the server said it, until it accepts a connection
	next    time.Time // when the next may try
}

// refusalPause is more than the second that a server is promised between two attempts.
const refusalPause = 1500 * time.Millisecond

// guard makes the dialer ask the gate first.
func (g *gate) guard(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := g.enter(); err != nil {
			return nil, err
		}
		c, err := dial(ctx, network, addr)
		if err != nil {
			g.leave()
			return nil, err
		}
		return withSyscalls(&greeted{Conn: c, gate: g}, c), nil
	}
}

func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		return nil
	}
	if now := time.Now(); now.After(g.next) {
		g.next = now.Add(refusalPause)
		return nil
	}
	return g.refused
}

// leave lets another try, in place of one that the server has not answered.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = time.Time{}
}

func (g *gate) shut(refused error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		g.next = time.Now().Add(refusalPause)
	}
	g.refused = refused
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = nil
}

// greeted is a connection whose first answers tell whether the server accepts the credentials.
type greeted struct {
	net.Conn
	gate    *gate
	settled atomic.Bool
}

func (c *greeted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.settled.Load() {
		c.hear(p[:n])
	}
	return n, err
}

// hear takes anything but an error for acceptance; an error of another kind says nothing yet.
func (c *greeted) hear(answer []byte) {
	if answer[0] != '-' {
		c.settled.Store(true)
		c.gate.open()
		return
	}
	line, _, _ := bytes.Cut(answer[1:], []byte("\r\n"))
	if said := refusal(line); permanent[reply(said)] == ErrCredentials { //nolint:errorlint // the very value of the table
		c.settled.Store(true)
		c.gate.shut(said)
	}
}

// Close of a connection that was never used, as go-redis tries whether a server is there,
// leaves its turn to another.
func (c *greeted) Close() error {
	if c.settled.CompareAndSwap(false, true) {
		c.gate.leave()
	}
	return c.Conn.Close()
}

// refusal is an error that the server has answered.
type refusal string

func (r refusal) Error() string { return string(r) }

// RedisError makes it one for go-redis too.
func (r refusal) RedisError() {}
