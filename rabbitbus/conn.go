package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// conn is one connection, from its greeting to its end: an epoch. What was opened on it ends
// with it.
type conn struct {
	amqp *amqp.Connection
	line *line
	over chan struct{}  // closed at the end
	own  sync.WaitGroup // goroutines of this connection: watch, and the drains of its lanes

	mu      sync.Mutex
	why     error         // it has ended; nil: it was closed
	blocked chan struct{} // closed while the server takes nothing
	reason  string
	ended   bool // nothing of its own begins any more
	lanes   map[uint32]*lane
	made    map[string]bool // what was declared on it
}

func newConn(c *amqp.Connection, l *line) *conn {
	n := &conn{
		amqp: c, line: l, over: make(chan struct{}), blocked: make(chan struct{}),
		lanes: map[uint32]*lane{}, made: map[string]bool{},
	}
	ends := c.NotifyClose(make(chan *amqp.Error, 1))
	blocks := c.NotifyBlocked(make(chan amqp.Blocking, 4))
	n.own.Go(func() { n.watch(ends, blocks) })
	return n
}

// watch takes whatever the client has to tell: it waits for whoever does not listen.
func (c *conn) watch(ends <-chan *amqp.Error, blocks <-chan amqp.Blocking) {
	for ends != nil || blocks != nil {
		select {
		case err, ok := <-ends:
			if !ok {
				ends = nil
				continue
			}
			c.mu.Lock()
			c.why = err
			c.mu.Unlock()
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				continue
			}
			c.block(b)
		}
	}
	close(c.over)
}

func (c *conn) block(b amqp.Blocking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := isClosed(c.blocked)
	switch c.reason = b.Reason; {
	case b.Active && !was:
		close(c.blocked)
	case !b.Active && was:
		c.blocked = make(chan struct{})
	}
}

// obstacle is what is closed while the server takes nothing.
func (c *conn) obstacle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked
}

// taking returns an error while the server takes nothing.
func (c *conn) taking() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isClosed(c.blocked) {
		return fmt.Errorf("%w: %s", ErrBlocked, c.reason)
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// alive reports whether the connection is still there, as far as is known.
func (c *conn) alive() bool { return !c.amqp.IsClosed() }

// end is why the connection is over.
func (c *conn) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return fmt.Errorf("the connection is over: %w", c.why)
	}
	return errOver
}

var errOver = errors.New("the connection is over")

// ask calls f, which asks the server. The client's calls know no context: where none of them
// comes back in a moment after ctx has ended, the connection is cut, and they fail.
func (c *conn) ask(ctx context.Context, f func() error) error {
	back := make(chan struct{})
	defer close(back)
	defer context.AfterFunc(ctx, func() {
		late := time.NewTimer(patience)
		defer late.Stop()
		select {
		case <-back:
		case <-late.C:
			c.cut()
		}
	})()
	return f()
}

// cut ends the connection without a word.
func (c *conn) cut() { _ = c.line.Close() }

// open opens a channel.
func (c *conn) open(ctx context.Context) (ch *amqp.Channel, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = c.ask(ctx, func() (err error) {
		ch, err = c.amqp.Channel()
		return err
	})
	return ch, err
}

// farewell is how long the server has to say goodbye.
const farewell = time.Second

// close ends the connection in good order if the server answers, and waits for what belongs
// to it. A server that takes nothing does not answer either.
func (c *conn) close() {
	if c.taking() == nil {
		_ = c.amqp.CloseDeadline(time.Now().Add(farewell))
	}
	c.cut()
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.own.Wait()
}
