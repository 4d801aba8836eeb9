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
	closed context.Context
	close  context.CancelFunc // when Shutdown begins
	down   chan struct{}      // closed when nothing is under way any more

	mu    sync.Mutex
	since int  // calls under way that began since
	over  bool // nothing is served any more
	ended bool
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
	if !d.closing.Load() {
		n := t.before.Add(1)
		switch {
		case d.closing.Load(): // meanwhile
			d.leave(false)
		case n > mostActive && d.backlog == nil: // the stack would be next
			d.leave(false)
			return false, errTooMany
		default:
			return false, nil
		}
	}
	return true, d.enterLate(ctx)
}

// enterLate counts a call since Shutdown has begun.
func (d *Direct) enterLate(ctx context.Context) error {
	t := &d.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over, t.before.Load() == 0, d.backlog != nil && d.handlingIn(ctx) == nil:
		return eventbus.ErrClosed
	case t.since >= mostActive:
		return errTooMany
	}
	t.since++
	return nil
}

func (d *Direct) leave(late bool) {
	t := &d.traffic
	if !late && t.before.Add(-1) > 0 || !d.closing.Load() {
		return
	}
	t.mu.Lock()
	if late {
		t.since--
	}
	t.mu.Unlock()
	d.finish()
}

// finish ends what is left, if nothing is under way any more since Shutdown has begun.
func (d *Direct) finish() {
	t := &d.traffic
	t.mu.Lock()
	last := !t.ended && t.since == 0 && t.before.Load() == 0
	if last {
		t.ended, t.over = true, true
	}
	t.mu.Unlock()
	if !last {
		return
	}
	d.haltAll()
	if d.backlog != nil {
		d.forsake(d.backlog.clear())
	}
	close(t.down)
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
	t := &d.traffic
	d.mu.Lock() // a Subscribe is through, or refused
	d.closing.Store(true)
	d.mu.Unlock()
	t.close()
	d.finish()
	select {
	case <-t.down:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	d.haltAll()
	select {
	case <-t.down:
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
