package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/seed-28af575d/eventbus"
)

// backlog is what waits for Drain, first in, first out.
type backlog struct {
	room *semaphore.Weighted // given in the order of coming

	mu    sync.Mutex
	items []posting
	first int // of items: those before it are gone
}

// posting is an event that waits for recipients.
type posting struct {
	event  *eventbus.DomainEvent
	to     []*recipient
	from   provenance
	beyond bool // it has taken no room
}

func newBacklog(capacity int) *backlog {
	return &backlog{room: semaphore.NewWeighted(int64(capacity))}
}

func (b *backlog) push(p posting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(b.items, p)
}

// front returns the first event, which stays.
func (b *backlog) front() (p posting, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == len(b.items) {
		return posting{}, false
	}
	return b.items[b.first], true
}

// pop removes the first event, if there is one.
func (b *backlog) pop() (p posting, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == len(b.items) {
		return posting{}, false
	}
	p = b.items[b.first]
	b.items[b.first] = posting{}
	b.first++
	if b.first == len(b.items) || b.first >= 1024 && b.first > len(b.items)/2 {
		n := copy(b.items, b.items[b.first:])
		clear(b.items[n:])
		b.items, b.first = b.items[:n], 0
	}
	b.release(p)
	return p, true
}

func (b *backlog) release(p posting) {
	if !p.beyond {
		b.room.Release(1)
	}
}

// clear drops everything, and returns how much that was.
func (b *backlog) clear() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.items[b.first:] {
		b.release(p)
		n++
	}
	b.items, b.first = nil, 0
	return n
}

func (b *backlog) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items) - b.first
}

// waiting is how many events wait for a recipient.
func (b *backlog) waiting(r *recipient) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.items[b.first:] {
		if slices.Contains(p.to, r) {
			n++
		}
	}
	return n
}

// queue lets an event wait for Drain, if anybody is to get it. What a handler publishes
// waits for no room. The event is the bus's own.
func (d *Direct) queue(ctx context.Context, e *eventbus.DomainEvent) error {
	if len(d.audience(e.Type).to) == 0 {
		return nil
	}
	p := posting{event: e}
	if !d.backlog.room.TryAcquire(1) {
		if p.beyond = d.handlingIn(ctx) != nil; p.beyond {
			d.counts.beyond.Add(1)
		} else if err := d.waitForRoom(ctx); err != nil {
			return err
		}
	}
	p.to = d.audience(e.Type).to // as it is now: it may have been cleared meanwhile
	if len(p.to) == 0 {
		d.backlog.release(p)
		return nil
	}
	d.backlog.push(p)
	return nil
}

func (d *Direct) waitForRoom(ctx context.Context) error {
	if !d.manner.Wait {
		return d.manner.Full(d.backlog.len(), nil)
	}
	var bound boundedContext
	bound.begin(ctx, &d.limits)
	defer bound.end()
	err := d.backlog.room.Acquire(&bound, 1)
	switch {
	case err == nil:
		return nil
	case d.closing.Load():
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrClosed)
	}
	return d.manner.Full(d.backlog.len(), err)
}

// Drain handles the events that wait, first in, first out, at most limit of them, in the
// caller's goroutine, and returns how many it took. It ends early, with an error, when
// ctx ends and where a subscriber of the next event is paused. Handlers have contexts
// that derive from ctx. What they publish joins the queue, beyond its bound; what they
// fail is a letter.
func (d *Direct) Drain(ctx context.Context, limit int) (int, error) {
	n, err := d.drain(ctx, limit)
	if err != nil {
		return n, fmt.Errorf("eventbus: drain: %w", err)
	}
	return n, nil
}

func (d *Direct) drain(ctx context.Context, limit int) (n int, err error) {
	if err := d.drainable(ctx, limit); err != nil {
		return 0, err
	}
	if !d.draining.CompareAndSwap(false, true) {
		return 0, errDraining
	}
	defer d.draining.Store(false)
	d.traffic.before.Add(1)
	defer d.leave(false)
	for ; n < limit; n++ {
		switch front, ok := d.backlog.front(); {
		case ctx.Err() != nil:
			return n, ctx.Err()
		case d.closing.Load():
			return n, eventbus.ErrClosed
		case !ok:
			return n, nil
		default:
			if i := slices.IndexFunc(front.to, (*recipient).isPaused); i >= 0 {
				return n, fmt.Errorf("%s is paused: what it is to get waits, and what stands behind it", front.to[i].group)
			}
		}
		if p, ok := d.backlog.pop(); ok {
			d.deliver(ctx, p)
		}
	}
	return n, nil
}

// deliver runs the handlers of what has waited.
func (d *Direct) deliver(ctx context.Context, p posting) {
	if p.from != (provenance{}) { // replayed, to one
		_ = p.to[0].take(ctx, p.event, p.from)
		return
	}
	for _, r := range p.to {
		if r.gate.Load()&stopped != 0 {
			d.notices.warn("an event is dropped, since its subscription ended before it was drained", r.group)
		}
	}
	d.dispatch(ctx, p.event, p.to)
}

func (d *Direct) drainable(ctx context.Context, limit int) error {
	switch {
	case ctx == nil:
		return errNilContext
	case d.backlog == nil:
		return fmt.Errorf("%w: only a bus in the mode Manual is drained", errors.ErrUnsupported)
	case limit < 0:
		return &eventbus.ValidationError{Field: "limit", Rule: "must not be negative", Value: fmt.Sprint(limit)}
	case d.closing.Load():
		return eventbus.ErrClosed
	case d.handlingIn(ctx) != nil:
		return errDraining
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.started {
		return errors.New("the bus is not started: no handler runs before Start")
	}
	return nil
}

var errDraining = errors.New("another Drain is under way: what handlers publish is handled by it, after what waits already")

// forsake tells of events that nobody will drain.
func (d *Direct) forsake(n int) {
	if n > 0 {
		d.notices.warn("events that were not drained are gone with the bus", d.options.Group, slog.Int("events", n))
	}
}
