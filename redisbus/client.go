package redisbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/seed-28af575d/eventbus/internal/gate"
)

// clients are the bus's own connections, made from the options of the caller's client,
// which is neither used nor closed: a read that blocks would keep a connection from
// commands, and a command that is repeated after a lost reply would publish twice.
type clients struct {
	options  *redis.Options // the caller's, as go-redis has completed them
	commands *redis.Client
	traffic  traffic // of commands
	gate     gate.Gate

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // commands that nobody waits for any more
}

func newClients(of *redis.Client, wait time.Duration) *clients {
	c := &clients{options: of.Options()}
	o := c.derive(c.traffic.count)
	if o.ReadTimeout > 0 {
		o.ReadTimeout += wait // of WAIT and WAITAOF
	}
	c.commands = redis.NewClient(o)
	return c
}

// derive copies the options, for connections that wrap has to do with. go-redis has completed
// them once, and would take what it made of "none" for "not said" now; see docs/adr/011.
func (c *clients) derive(wrap func(dialer) dialer) *redis.Options {
	o := *c.options
	o.Dialer = guard(&c.gate, wrap(o.Dialer))
	o.MaxRetries, o.DialerRetries = -1, 1 // the engine tries again
	for _, timeout := range []*time.Duration{&o.ReadTimeout, &o.WriteTimeout} {
		if *timeout == 0 {
			*timeout = -1
		}
	}
	o.ContextTimeoutEnabled = true
	// Replies are lists, in the order that the server says them. With 3, go-redis looks for
	// push messages before each of a pipeline's replies.
	o.Protocol = 2
	o.MinIdleConns = 0
	o.PushNotificationProcessor, o.Limiter = nil, nil
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled} // two goroutines a client
	return &o
}

// reader returns a client with one connection, for reads that block. The caller closes it.
func (c *clients) reader(l *line) *redis.Client {
	o := c.derive(l.keep)
	o.PoolSize, o.MaxActiveConns = 1, 1
	if o.ReadTimeout > 0 {
		o.ReadTimeout += blocked
	}
	return redis.NewClient(o)
}

// ask calls f, and returns when ctx ends, be f through or not, with errAbandoned: go-redis
// does not give up a command that is under way. What f then still does is ended by close.
func ask[T any](ctx context.Context, c *clients, f func() (T, error)) (T, error) {
	if ctx.Done() == nil || !c.enter() {
		return f() // of a closed client it fails at once
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer c.calls.Done()
		value, err := f()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("%w: %w", errAbandoned, context.Cause(ctx))
	}
}

// errAbandoned means that nobody waited for the server's answer.
var errAbandoned = errors.New("the server has not answered")

func (c *clients) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.calls.Add(1)
	}
	return !c.closed
}

// close ends all connections, and waits for what uses them.
func (c *clients) close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	err := c.commands.Close()
	c.calls.Wait()
	return err
}
