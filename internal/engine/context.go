package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/scope"
)

// attempt is one call of a handler, and the context that the handler is given.
//
// Most handlers never ask for Done, so the channel and what belongs to it are
// made on demand; a context of the standard library would cost four allocations
// for each event. It is never used twice: a handler may keep it.
type attempt struct {
	s       *subscription
	flight  *flight // only while it runs; guarded by s.mu
	began   time.Time
	told    time.Duration // after which it was told that its time is up; guarded by s.mu
	number  int32         // from 1
	replays int32

	list       *attempts // that it stands in; guarded by s.mu, as its neighbours are
	prev, next *attempt

	event atomic.Pointer[eventbus.DomainEvent] // set when the handler is about to be called

	mu        sync.Mutex
	abandoned bool  // its slot was given away; guarded by s.mu, not by mu
	returned  bool  // its handler has returned, whatever ended it
	cause     error // why it ended; nil while it runs
	inner     *innerContext
}

// innerContext is what a handler gets that asks for more than Err and Deadline.
type innerContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// errReturned is the cause of the context of a handler that has returned.
var errReturned = errors.New("handler has returned")

// Deadline returns when the attempt times out.
func (a *attempt) Deadline() (time.Time, bool) { return a.began.Add(a.s.sub.Timeout), true }

// Done is closed when the attempt has ended.
func (a *attempt) Done() <-chan struct{} { return a.real().Done() }

// Err is nil while the attempt runs.
func (a *attempt) Err() error {
	switch cause := a.why(); {
	case cause == nil:
		return nil
	case errors.Is(cause, eventbus.ErrTimeout):
		return context.DeadlineExceeded
	default:
		return context.Canceled
	}
}

// Value answers the keys of package scope, and those of context itself.
func (a *attempt) Value(key any) any {
	switch key {
	case scope.Delivery:
		return eventbus.Delivery{Group: a.s.sub.Group, Subscriber: a.s.sub.Name, Attempt: int(a.number), Replays: int(a.replays)}
	case scope.Owner:
		return a
	}
	return a.real().Value(key) // context.Cause and children look for their own
}

// real returns a context of the standard library that ends when the attempt does.
func (a *attempt) real() context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
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
func (a *attempt) end(cause error) {
	a.mu.Lock()
	_ = a.finish(cause)
}

// close ends the attempt whose handler has returned, or returns what ended it before.
func (a *attempt) close() (before error) {
	a.mu.Lock()
	a.returned = true
	return a.finish(errReturned)
}

// finish unlocks mu.
func (a *attempt) finish(cause error) (before error) {
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

func (a *attempt) why() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// over reports whether the handler has returned.
func (a *attempt) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.returned
}

// attemptIn returns the running attempt of this bus that ctx belongs to, or nil.
func (b *Bus) attemptIn(ctx context.Context) *attempt {
	a, ok := ctx.Value(scope.Owner).(*attempt)
	if !ok || a.s.bus != b || a.over() {
		return nil
	}
	return a
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

// slab hands out attempts that were allocated many at a time.
type slab struct{ rest []attempt }

func (s *slab) next() *attempt {
	const size = 32
	if len(s.rest) == 0 {
		s.rest = make([]attempt, size)
	}
	a := &s.rest[0]
	s.rest = s.rest[1:]
	return a
}
