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
	limits *limits

	mu     sync.Mutex
	until  time.Time // the end of the time-out, from when somebody asks
	real   context.Context
	cancel context.CancelCauseFunc
	timer  eventbus.Timer
	unhook func() bool // from the end of all sending
}

// limits are what bounds every send of a bus.
type limits struct {
	clock   eventbus.Clock
	timeOut time.Duration
	over    context.Context // ends when the bus gives up
}

// begin makes it ready for a call.
func (c *boundedContext) begin(ctx context.Context, l *limits) {
	c.Context, c.limits, c.until = ctx, l, time.Time{}
}

// end releases what the call has made, and reports whether somebody may still refer
// to the context.
func (c *boundedContext) end() (used bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.Context = nil
		return false
	}
	c.timer.Stop()
	c.unhook()
	c.cancel(context.Canceled)
	return true
}

// Done is closed when the call's own context ends, after the time-out, or when the
// bus gives up.
func (c *boundedContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		var cancel context.CancelCauseFunc
		c.real, cancel = context.WithCancelCause(c.Context)
		c.cancel = cancel
		c.timer = c.limits.clock.AfterFunc(c.left(), func() { cancel(context.DeadlineExceeded) })
		c.unhook = context.AfterFunc(c.limits.over, func() { cancel(context.Canceled) })
	}
	return c.real.Done()
}

// Deadline is when the call's own context ends, or the time-out.
func (c *boundedContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left()
	if own, ok := c.Context.Deadline(); ok && own.Before(c.until) {
		return own, true
	}
	return c.until, true
}

// left is what is left of the time-out, which begins now unless it has begun. The
// lock is held.
func (c *boundedContext) left() time.Duration {
	now := c.limits.clock.Now()
	if c.until.IsZero() {
		c.until = now.Add(c.limits.timeOut)
	}
	return c.until.Sub(now)
}

// Err says whether the context has ended.
func (c *boundedContext) Err() error {
	ctx := c.now()
	if ctx == c.Context { // nobody has waited for it yet
		return ctx.Err()
	}
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

// alarm rings when the time-out of a call is over that waits for others. A context would
// do, but be made anew for every call.
type alarm struct {
	rang  chan struct{} // has room for one
	timer eventbus.Timer
}

func (a *alarm) set(l *limits) {
	if a.timer != nil {
		a.timer.Reset(l.timeOut)
		return
	}
	rang := make(chan struct{}, 1)
	a.rang, a.timer = rang, l.clock.AfterFunc(l.timeOut, func() { rang <- struct{}{} })
}

// stop reports whether it has not rung, and can be set again.
func (a *alarm) stop() bool { return a.timer.Stop() }
