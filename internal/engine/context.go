package engine

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/scope"
)

// attempt is one call of a handler. The engine uses it again when its handler has
// returned without ado; what the handler was given is an [attemptContext], which is
// never used twice.
type attempt struct {
	s       *subscription
	flight  *flight       // only while it runs; guarded by s.mu
	since   time.Time     // from when its time is measured; guarded by s.mu
	told    time.Duration // after which it was told that its time is up; guarded by s.mu
	context *attemptContext

	list       *attempts // that it stands in; guarded by s.mu, as its neighbours are
	prev, next *attempt  // next also among those that are spare

	event atomic.Pointer[eventbus.DomainEvent] // set when the handler is about to be called

	mu        sync.Mutex
	turn      uint32 // of being used
	abandoned bool   // its slot was given away; guarded by s.mu, not by mu
	returned  bool   // its handler has returned, whatever ended it
	cause     error  // why it ended; nil while it runs
	inner     *innerContext
}

// attemptContext is the context that a handler is given: an attempt, as long as its
// turn lasts. What was never asked for more than Err and Deadline leaves its attempt
// to another turn, and has ended then, by its handler's return.
//
// Most handlers never ask for Done, so the channel and what belongs to it are made on
// demand; a context of the standard library would cost four allocations for each
// event.
type attemptContext struct {
	attempt *attempt
	began   time.Time
	turn    uint32
	number  int32 // from 1
	replays int32
}

// innerContext is what a handler gets that asks for more than Err and Deadline.
type innerContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// errReturned is the cause of the context of a handler that has returned.
var errReturned = errors.New("handler has returned")

// returned is a context that has ended by it.
var returned = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errReturned)
	return ctx
}()

// Deadline returns when the attempt times out.
func (c *attemptContext) Deadline() (time.Time, bool) {
	return c.began.Add(c.attempt.s.sub.Timeout), true
}

// Done is closed when the attempt has ended.
func (c *attemptContext) Done() <-chan struct{} { return c.real().Done() }

// Err is nil while the attempt runs.
func (c *attemptContext) Err() error {
	switch cause := c.why(); {
	case cause == nil:
		return nil
	case errors.Is(cause, eventbus.ErrTimeout):
		return context.DeadlineExceeded
	default:
		return context.Canceled
	}
}

// Value answers the keys of package scope, and those of context itself.
func (c *attemptContext) Value(key any) any {
	switch key {
	case scope.Delivery:
		sub := &c.attempt.s.sub
		return eventbus.Delivery{Group: sub.Group, Subscriber: sub.Name, Attempt: int(c.number), Replays: int(c.replays)}
	case scope.Owner:
		return c
	}
	return c.real().Value(key) // context.Cause and children look for their own
}

// real returns a context of the standard library that ends when the attempt does.
func (c *attemptContext) real() context.Context {
	a := c.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.turn != c.turn {
		return returned
	}
	if a.inner == nil {
		ctx, cancel := context.WithCancelCause(context.Background())
		a.inner = &innerContext{ctx, cancel}
		if a.cause != nil {
			cancel(a.cause)
		}
	}
	return a.inner.Context
}

// end ends the attempt, if it has not ended; the first cause stays.
func (c *attemptContext) end(cause error) {
	c.attempt.mu.Lock()
	_ = c.finish(cause)
}

// close ends the attempt whose handler has returned, or returns what ended it before.
func (c *attemptContext) close() (before error) {
	a := c.attempt
	a.mu.Lock()
	a.returned = true
	return c.finish(errReturned)
}

// finish unlocks the attempt.
func (c *attemptContext) finish(cause error) (before error) {
	a := c.attempt
	if a.turn != c.turn {
		a.mu.Unlock()
		return errReturned
	}
	if before = a.cause; before != nil {
		a.mu.Unlock()
		return before
	}
	a.cause = cause
	inner := a.inner
	a.mu.Unlock()
	if inner != nil {
		inner.cancel(cause)
	}
	return nil
}

func (c *attemptContext) why() error {
	a := c.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.turn != c.turn {
		return errReturned
	}
	return a.cause
}

// over reports whether the handler has returned.
func (c *attemptContext) over() bool {
	a := c.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.turn != c.turn || a.returned
}

// Running reports whether the handler has not returned; see [scope.Attempt].
func (c *attemptContext) Running() bool { return !c.over() }

// attemptIn returns the running attempt of this bus that ctx belongs to, or nil.
func (b *Bus) attemptIn(ctx context.Context) *attempt {
	c, ok := ctx.Value(scope.Owner).(*attemptContext)
	if !ok || c.attempt.s.bus != b || c.over() {
		return nil
	}
	return c.attempt
}

// attempts is a list of attempts in the order in which they began, and so in which
// their time is up.
type attempts struct{ first, last *attempt }

func (l *attempts) push(a *attempt) {
	a.list, a.prev, a.next = l, l.last, nil
	if l.last == nil {
		l.first = a
	} else {
		l.last.next = a
	}
	l.last = a
}

// leave takes the attempt out of its list.
func (a *attempt) leave() {
	l := a.list
	if l == nil {
		return
	}
	if a.prev == nil {
		l.first = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next == nil {
		l.last = a.prev
	} else {
		a.next.prev = a.prev
	}
	a.list, a.prev, a.next = nil, nil, nil
}

// garage hands out attempts and their contexts, and keeps attempts to be used again.
type garage struct {
	spare    *attempt // linked by next: at most as many as ever ran at once
	contexts []attemptContext
}

// next begins a turn of an attempt.
func (g *garage) next(s *subscription, now time.Time) *attempt {
	a := g.spare
	if a == nil {
		a = &attempt{s: s}
	} else {
		g.spare = a.next
		a.next = nil
	}
	if len(g.contexts) == 0 {
		g.contexts = make([]attemptContext, 64)
	}
	c := &g.contexts[0]
	g.contexts = g.contexts[1:]
	c.attempt, c.turn, c.began = a, a.turn, now
	a.context, a.since = c, now
	return a
}

// park ends the turn of an attempt that is over, unless its context must know more
// than that.
func (g *garage) park(a *attempt) {
	a.mu.Lock()
	if !errors.Is(a.cause, errReturned) || a.inner != nil || a.turn == math.MaxUint32 {
		a.mu.Unlock()
		return
	}
	a.turn++
	a.cause, a.returned, a.told = nil, false, 0
	a.context = nil
	a.event.Store(nil)
	a.mu.Unlock()
	a.next, g.spare = g.spare, a
}
