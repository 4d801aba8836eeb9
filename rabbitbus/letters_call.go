package rabbitbus

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
)

const (
	maxIdleLetterChannels = 8
	// maxUnconfirmed is how many records are under way at once, and so how many may come back.
	maxUnconfirmed = 256
)

// within runs do in a goroutine of the store's, which the caller leaves when ctx ends.
func within[T any](ctx context.Context, s *letterStore, do func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if !s.enter() {
		return none, eventbus.ErrClosed
	}
	done := make(chan outcome, 1)
	go func() {
		defer s.running.Done()
		value, err := do(ctx)
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// enter counts a goroutine of the store, unless that is closed.
func (s *letterStore) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// letterChannel is a channel in confirm mode, with what it tells. One caller uses it at a time.
type letterChannel struct {
	*amqp.Channel
	ended   chan *amqp.Error // has the reason once the channel has ended
	reason  *amqp.Error
	returns chan amqp.Return // has room for all that can be under way
	tags    uint64
}

// letterPool lends channels, since to open one takes longer than what is done with it.
type letterPool struct {
	source channels

	mu     sync.Mutex
	idle   []*letterChannel
	closed bool
}

// using lends a channel; what fails with it ends it.
func (s *letterStore) using(ctx context.Context, do func(c *letterChannel) error) error {
	c, err := s.pool.borrow(ctx)
	if err != nil {
		return err
	}
	err = do(c)
	s.pool.giveBack(c, err)
	return err
}

func (p *letterPool) borrow(ctx context.Context) (*letterChannel, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for c := p.pop(); c != nil; c = p.pop() {
		if !c.IsClosed() {
			return c, nil
		}
	}
	ch, err := p.source.channel(ctx)
	if err != nil {
		return nil, err
	}
	c := &letterChannel{
		Channel: ch, ended: ch.NotifyClose(make(chan *amqp.Error, 1)), returns: ch.NotifyReturn(make(chan amqp.Return, 2*maxUnconfirmed)),
	}
	if err := ch.Confirm(false); err != nil {
		_ = ch.Close() // it is of no use any more, and the failure is returned
		return nil, err
	}
	return c, nil
}

func (p *letterPool) pop() *letterChannel {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c
}

func (p *letterPool) giveBack(c *letterChannel, err error) {
	if err == nil && p.push(c) || c.IsClosed() {
		return
	}
	_ = c.Close() // the failure that matters is err
}

func (p *letterPool) push(c *letterChannel) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdleLetterChannels {
		return false
	}
	p.idle = append(p.idle, c)
	return true
}

func (p *letterPool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		_ = c.Close() // the connection's owner ends it too
	}
}

// why returns the reason for which the channel has ended, if it has; else the error.
func (c *letterChannel) why(err error) error {
	if err == nil {
		return nil
	}
	select {
	case reason := <-c.ended:
		if reason != nil {
			c.reason = reason
		}
	default:
	}
	if c.reason != nil {
		return c.reason
	}
	return err
}
