package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// boundedContext is a context with a time-out whose timer is made only when
// somebody waits for it: most sends do not wait.
type boundedContext struct {
	context.Context
	clock eventbus.Clock
	limit time.Duration

	mu     sync.Mutex
	real   context.Context
	cancel context.CancelCauseFunc
	timer  eventbus.Timer
}

// begin makes it ready for a call; end releases what the call has made.
func (c *boundedContext) begin(ctx context.Context, clock eventbus.Clock, limit time.Duration) {
	c.Context, c.clock, c.limit = ctx, clock, limit
}

func (c *boundedContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.Context = nil
		return
	}
	c.timer.Stop()
	c.cancel(context.Canceled)
}

// used reports whether somebody may still refer to it.
func (c *boundedContext) used() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.real != nil
}

// Done is closed when the call's own context ends, or after the time-out.
func (c *boundedContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		var cancel context.CancelCauseFunc
		c.real, cancel = context.WithCancelCause(c.Context)
		c.cancel = cancel
		c.timer = c.clock.AfterFunc(c.limit, func() { cancel(context.DeadlineExceeded) })
	}
	return c.real.Done()
}

// Err says whether the context has ended.
func (c *boundedContext) Err() error {
	ctx := c.now()
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// Value is that of the call's own context, and the cause of the end.
func (c *boundedContext) Value(key any) any { return c.now().Value(key) }

func (c *boundedContext) now() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	return c.Context
}
