package redisbus

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus/internal/gate"
)

// guard makes the dialer ask the gate first, by which a server that does not accept the credentials is spared
// the attempts of every connection that the bus wants.
func guard(g *gate.Gate, dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if _, err := g.Enter(); err != nil {
			return nil, err
		}
		c, err := dial(ctx, network, addr)
		if err != nil {
			g.Leave()
			return nil, err
		}
		return withSyscalls(&greeted{Conn: c, gate: g}, c), nil
	}
}

// greeted is a connection whose first answers tell whether the server accepts the credentials.
type greeted struct {
	net.Conn
	gate    *gate.Gate
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
		c.gate.Open()
		return
	}
	line, _, _ := bytes.Cut(answer[1:], []byte("\r\n"))
	if said := refusal(line); permanent[reply(said)] == ErrCredentials { //nolint:errorlint // the very value of the table
		c.settled.Store(true)
		c.gate.Shut(said)
	}
}

// Close of a connection that was never used, as go-redis tries whether a server is there,
// leaves its turn to another.
func (c *greeted) Close() error {
	if c.settled.CompareAndSwap(false, true) {
		c.gate.Leave()
	}
	return c.Conn.Close()
}

// refusal is an error that the server has answered.
type refusal string

func (r refusal) Error() string { return string(r) }

// RedisError makes it one for go-redis too.
func (r refusal) RedisError() {}
