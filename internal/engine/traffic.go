package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
)

// traffic counts the calls of a Direct bus that may run handlers.
//
// An inline handler has its publisher's context, so nobody can tell whether a call
// comes from one. Once Shutdown has begun, calls are served while one is under way
// that had begun before; with the last of those nothing new is.
type traffic struct {
	before atomic.Int64 // calls under way that began before Shutdown
	since  atomic.Int64 // and since
	closed context.Context
	close  context.CancelFunc // when Shutdown begins
	over   atomic.Bool        // nothing is served any more
	ended  sync.Once
	down   chan struct{} // closed when nothing is under way any more
}

func (t *traffic) init() {
	t.closed, t.close = context.WithCancel(context.Background())
	t.down = make(chan struct{})
}

// mostActive is how many calls may be under way at once.
const mostActive = 10_000

var errTooMany = fmt.Errorf("%w: 10,000 calls are under way at once: a handler publishes, directly or through others, the event that it handles; or else so many publish", eventbus.ErrRefused)

// enter counts a call; leave is told whether it is a late one.
func (d *Direct) enter(ctx context.Context) (late bool, err error) {
	t := &d.traffic
	n := t.before.Add(1)
	if !d.closing.Load() {
		if n > mostActive && d.backlog == nil { // the stack would be next
			d.leave(false)
			return false, errTooMany
		}
		return false, nil
	}
	n = t.since.Add(1)
	foreign := t.before.Add(-1) == 0 || d.backlog != nil && d.handlingIn(ctx) == nil
	switch {
	case foreign, t.over.Load():
		err = eventbus.ErrClosed
	case n > mostActive:
		err = errTooMany
	default:
		return true, nil
	}
	d.leave(true)
	return false, err
}

func (d *Direct) leave(late bool) {
	t := &d.traffic
	n := &t.before
	if late {
		n = &t.since
	}
	if n.Add(-1) == 0 && d.closing.Load() && t.before.Load() == 0 && t.since.Load() == 0 {
		d.finish()
	}
}

// finish ends what is left, once nothing runs any more.
func (d *Direct) finish() {
	d.traffic.ended.Do(func() {
		d.traffic.over.Store(true)
		d.haltAll()
		if d.backlog != nil {
			d.forsake(d.backlog.clear())
		}
		close(d.traffic.down)
	})
}

// Shutdown ends the bus; see [eventbus.EventBus]. Inline handlers have the contexts of
// their publishers and are not cancelled: what still runs when ctx ends is an error.
func (d *Direct) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: shutdown: %w", errNilContext)
	}
	if d.handlingIn(ctx) != nil {
		return fmt.Errorf("eventbus: shutdown: %w", errWaitsForItself)
	}
	d.traffic.before.Add(1) // or the last call could miss that it is the last one
	d.closing.Store(true)
	d.traffic.close()
	d.leave(false)
	select {
	case <-d.traffic.down:
		return nil
	case <-ctx.Done():
	}
	d.traffic.over.Store(true)
	d.haltAll()
	select {
	case <-d.traffic.down:
		return nil
	default:
		return d.unfinished()
	}
}

func (d *Direct) haltAll() {
	for _, r := range d.directory.Load().all {
		r.halt()
	}
}

// unfinished names the subscribers whose handlers still run.
func (d *Direct) unfinished() error {
	var running []eventbus.Unfinished
	for _, r := range d.directory.Load().all {
		for range r.tally.Load() & runningMask {
			running = append(running, eventbus.Unfinished{Group: r.sub.Group, Subscriber: r.sub.Name})
		}
	}
	if len(running) == 0 {
		return fmt.Errorf("eventbus: shutdown: %w: %w", eventbus.ErrUnfinished, errors.New("calls are under way"))
	}
	return &eventbus.UnfinishedError{Handling: running}
}
