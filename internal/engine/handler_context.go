package engine

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/scope"
)

// handlerContext is the context of a handler of a Direct bus that has a time-out, or that
// Drain runs. Other handlers have their publisher's.
type handlerContext struct {
	context.Context
	bus      *Direct
	delivery eventbus.Delivery
	deadline time.Time // zero: that of the caller
	expired  atomic.Bool
	over     atomic.Bool
}

// Deadline returns when the time is up.
func (h *handlerContext) Deadline() (time.Time, bool) {
	theirs, ok := h.Context.Deadline()
	if h.deadline.IsZero() || ok && theirs.Before(h.deadline) {
		return theirs, ok
	}
	return h.deadline, true
}

// Running reports whether the handler has not returned.
func (h *handlerContext) Running() bool { return !h.over.Load() }

// Err is DeadlineExceeded once the time is up.
func (h *handlerContext) Err() error {
	err := h.Context.Err()
	if err != nil && errors.Is(context.Cause(h.Context), eventbus.ErrTimeout) {
		return context.DeadlineExceeded
	}
	return err
}

// Value answers the keys of package scope, and is the caller's otherwise.
func (h *handlerContext) Value(key any) any {
	switch key {
	case scope.Delivery:
		return h.delivery
	case scope.Drain:
		return h
	}
	return h.Context.Value(key)
}

// callUnder runs the handler under a context of its own.
func (r *recipient) callUnder(ctx context.Context, e *eventbus.DomainEvent, from provenance) (err error) {
	inner, cancel := context.WithCancelCause(ctx)
	h := &handlerContext{
		Context: inner, bus: r.bus,
		delivery: eventbus.Delivery{Group: r.sub.Group, Subscriber: r.sub.Name, Attempt: 1, Replays: from.replays},
	}
	if r.timeout > 0 {
		h.deadline = r.bus.clock.Now().Add(r.timeout)
		timer := r.bus.clock.AfterFunc(r.timeout, func() {
			h.expired.Store(true)
			cancel(eventbus.ErrTimeout)
		})
		defer timer.Stop()
	}
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v, string(debug.Stack()))
		}
		if err != nil && h.expired.Load() {
			err = timedOut(err, r.timeout)
		}
		h.over.Store(true)
		cancel(errReturned)
	}()
	return readable(r.handle(h, e))
}

// handlingIn returns the running handler of this bus that ctx belongs to, or nil.
func (d *Direct) handlingIn(ctx context.Context) *handlerContext {
	for {
		h, ok := ctx.Value(scope.Drain).(*handlerContext)
		switch {
		case !ok:
			return nil
		case h.bus == d && h.Running():
			return h
		}
		ctx = h.Context // another bus's, perhaps within a handler of this one
	}
}
