package rabbitbus

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
)

// link is a connection that is made when it is needed, and made again when it is over. The
// engine tries as often as it likes, at its own pace; who comes while one tries shares what
// becomes of it.
type link struct {
	dialer  dialer
	purpose string
	turn    chan struct{} // holds one: the right to connect

	mu      sync.Mutex
	current *conn
	failed  error  // of the last attempt
	tries   uint64 // attempts that have ended
	closed  bool
}

func newLink(d dialer, purpose string) *link {
	l := &link{dialer: d, purpose: purpose, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// get returns the connection, which is made if there is none.
func (l *link) get(ctx context.Context) (*conn, error) {
	c, tries, err := l.state()
	if c != nil || err != nil {
		return c, err
	}
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, now, err := l.state()
	if c != nil || err != nil {
		return c, err
	}
	if failed := l.failure(); now != tries && failed != nil { // somebody has tried meanwhile
		return nil, failed
	}
	l.discard()
	c, err = l.dialer.dial(ctx, l.purpose)
	return l.settle(ctx, c, err)
}

func (l *link) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// state returns the connection if it is alive, and how often it was tried to make one.
func (l *link) state() (*conn, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, l.tries, eventbus.ErrClosed
	}
	if l.current != nil && l.current.alive() {
		return l.current, l.tries, nil
	}
	return nil, l.tries, nil
}

// discard waits for what belongs to a connection that is over.
func (l *link) discard() {
	l.mu.Lock()
	old := l.current
	l.current = nil
	l.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// settle notes what became of an attempt. One whose caller has gone says nothing to others.
func (l *link) settle(ctx context.Context, c *conn, err error) (*conn, error) {
	l.mu.Lock()
	l.tries++
	l.current, l.failed = c, err
	if ctx.Err() != nil {
		l.failed = nil
	}
	closed := l.closed
	l.mu.Unlock()
	if closed && c != nil {
		c.close()
		return nil, eventbus.ErrClosed
	}
	return c, err
}

// forget forgets what was declared on the connection: some of it is gone.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		l.current.forget()
	}
}

// taking returns an error while the server takes nothing over the connection.
func (l *link) taking() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil || !l.current.alive() {
		return nil
	}
	return l.current.taking()
}

// channel opens a channel on the connection.
func (l *link) channel(ctx context.Context) (*amqp.Channel, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := c.open(ctx)
	return ch, typed(err)
}

// close ends the connection, for good.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	c := l.current
	l.mu.Unlock()
	if c != nil {
		c.close()
	}
}
