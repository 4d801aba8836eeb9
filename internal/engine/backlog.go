package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// backlog is what waits for Drain, first in, first out.
type backlog struct {
	capacity int

	mu    sync.Mutex
	items []posting
	first int           // of items: those before it are gone
	room  chan struct{} // closed, and made anew, when something has left
}

func (b *backlog) len() int { return len(b.items) - b.first }

// push adds an event, and reports whether there was room. Otherwise room is closed as
// soon as there may be.
func (b *backlog) push(p posting, beyond bool) (room <-chan struct{}, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n = b.len(); n >= b.capacity && !beyond {
		return b.room, n
	}
	b.items = append(b.items, p)
	return nil, n
}

// pop removes the first event.
func (b *backlog) pop() (p posting, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.len() == 0 {
		return posting{}, false
	}
	p = b.items[b.first]
	b.items[b.first] = posting{}
	if b.first++; b.first >= 1024 && b.first > len(b.items)/2 || b.len() == 0 {
		n := copy(b.items, b.items[b.first:])
		clear(b.items[n:])
		b.items, b.first = b.items[:n], 0
	}
	close(b.room)
	b.room = make(chan struct{})
	return p, true
}

// clear drops everything, and returns how much that was.
func (b *backlog) clear() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.len()
	b.items, b.first = nil, 0
	close(b.room)
	b.room = make(chan struct{})
	return n
}

// waiting is how many events wait for a recipient.
func (b *backlog) waiting(r *recipient) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.items[b.first:] {
		for _, to := range p.to {
			if to == r {
				n++
			}
		}
	}
	return n
}

// queue lets an event wait for Drain, which is the bus's own. What a handler publishes waits for no room.
func (d *Direct) queue(ctx context.Context, p posting) error {
	room, n := d.backlog.push(p, d.handlingIn(ctx) != nil)
	switch {
	case room == nil && n >= d.backlog.capacity:
		d.counts.beyond.Add(1)
		return nil
	case room == nil:
		return nil
	case !d.manner.Wait:
		return d.manner.Full("", n, nil)
	}
	return d.queueWithin(ctx, p, room)
}

// queueWithin waits for room, as long as ctx and the publish time-out let it.
func (d *Direct) queueWithin(ctx context.Context, p posting, room <-chan struct{}) error {
	until, stop := d.after(d.options.PublishTimeout)
	defer stop()
	for n := d.backlog.capacity; room != nil; room, n = d.backlog.push(p, false) {
		select {
		case <-room:
		case <-until:
			return d.manner.Full("", n, context.DeadlineExceeded)
		case <-ctx.Done():
			return d.manner.Full("", n, ctx.Err())
		case <-d.down:
			return fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrClosed)
		}
	}
	return nil
}

// after returns a channel that is closed after a time, by the bus's clock.
func (d *Direct) after(wait time.Duration) (ended <-chan struct{}, stop func()) {
	done := make(chan struct{})
	t := d.clock.AfterFunc(wait, func() { close(done) })
	return done, func() { t.Stop() }
}

// Drain handles the events that wait, first in, first out, at most limit of them, in the
// caller's goroutine, and returns how many it took. It ends early when ctx ends, with its
// error. Handlers have contexts that derive from ctx. What they publish joins the queue,
// beyond its bound; what they fail is a letter.
func (d *Direct) Drain(ctx context.Context, limit int) (int, error) {
	if err := d.drainable(ctx, limit); err != nil {
		return 0, fmt.Errorf("eventbus: drain: %w", err)
	}
	if !d.draining.CompareAndSwap(false, true) {
		return 0, fmt.Errorf("eventbus: drain: %w", errDraining)
	}
	defer d.draining.Store(false)
	d.active.Add(1)
	defer d.leave()
	for n := 0; n < limit; n++ {
		if err := ctx.Err(); err != nil {
			return n, fmt.Errorf("eventbus: drain: %w", err)
		}
		if d.closing.Load() {
			return n, fmt.Errorf("eventbus: drain: %w", eventbus.ErrClosed)
		}
		p, ok := d.backlog.pop()
		if !ok {
			return n, nil
		}
		d.dispatch(ctx, p.event, p.to, p.from)
	}
	return limit, nil
}

func (d *Direct) drainable(ctx context.Context, limit int) error {
	d.mu.Lock()
	started := d.started
	d.mu.Unlock()
	switch {
	case ctx == nil:
		return errNilContext
	case d.backlog == nil:
		return fmt.Errorf("%w: only a bus in manual mode is drained", errors.ErrUnsupported)
	case limit < 0:
		return &eventbus.ValidationError{Field: "limit", Rule: "must not be negative", Value: fmt.Sprint(limit)}
	case d.closing.Load():
		return eventbus.ErrClosed
	case !started:
		return errors.New("the bus is not started: no handler runs before Start")
	case d.handlingIn(ctx) != nil:
		return errDraining
	}
	return nil
}

var errDraining = errors.New("another Drain is under way: what handlers publish is handled by it, after what waits already")
