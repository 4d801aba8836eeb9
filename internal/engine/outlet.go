package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
)

// outlet knows since when nothing can be sent, and when it can be again. What nobody
// waited for any more, or the backend refused for good, says nothing of that.
type outlet struct {
	dirty atomic.Bool // one of the others is set: else there is nothing to look at

	mu   sync.Mutex
	away outage
	back *eventbus.Reconnected // not told yet
}

// heard takes the outcome of a Send under ctx.
func (o *outlet) heard(ctx context.Context, clock eventbus.Clock, errs []error) {
	err := first(errs)
	for i := 1; err == nil && i < len(errs); i++ {
		err = errs[i]
	}
	lost := errors.Is(err, ErrNotStored) || errors.Is(err, eventbus.ErrUnknown)
	if lost && ctx.Err() != nil || !lost && !o.dirty.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case lost:
		o.away.note(clock.Now(), err)
		o.dirty.Store(true)
	case o.away.tries > 0:
		o.back = &eventbus.Reconnected{Tries: o.away.tries, Down: clock.Now().Sub(o.away.since), Err: o.away.err}
		o.away = outage{}
	}
}

// take returns, once, that what could not be sent can be again.
func (o *outlet) take() *eventbus.Reconnected {
	if !o.dirty.Load() {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	back := o.back
	o.back = nil
	o.dirty.Store(o.away.tries > 0)
	return back
}
