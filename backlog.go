package eventbus

import (
	"container/list"
	"context"
	"fmt"
	"reflect"
)

// call is one Publish that waits to be handed over.
type call struct {
	ctx    context.Context // the caller's, without its end
	like   any             // equal for calls that were made with the same context
	events []DomainEvent   // copies, complete and valid
}

func newCall(ctx context.Context, events []DomainEvent) *call {
	c := &call{ctx: context.WithoutCancel(ctx), events: events}
	if c.like = ctx; !reflect.ValueOf(ctx).Comparable() {
		c.like = c // somebody's own kind of context: like no other
	}
	return c
}

// backlog is a queue of calls with a bound on their events, and a line of callers
// who wait for room. While somebody waits, there is none for others. The lock of the
// bus guards it.
type backlog struct {
	bound int
	size  int // events queued and under way
	calls []*call
	line  list.List // of *place
}

// place is a caller's in the line.
type place struct {
	call  *call
	given chan error // nil: its call is queued
}

// fits reports whether a call of so many events has room now.
func (q *backlog) fits(events int) bool { return q.line.Len() == 0 && q.size+events <= q.bound }

func (q *backlog) push(c *call) {
	q.size += len(c.events)
	q.calls = append(q.calls, c)
}

// giveBack makes room for n events and lets in who has stood in line longest. It
// returns how many events came in.
func (q *backlog) giveBack(n int) (queued int) {
	q.size -= n
	for first := q.line.Front(); first != nil; first = q.line.Front() {
		p, _ := first.Value.(*place)
		if q.size+len(p.call.events) > q.bound {
			break
		}
		q.line.Remove(first)
		q.push(p.call)
		queued += len(p.call.events)
		p.given <- nil
	}
	return queued
}

// dismiss sends everybody in the line away.
func (q *backlog) dismiss(err error) {
	for first := q.line.Front(); first != nil; first = q.line.Front() {
		if p, ok := q.line.Remove(first).(*place); ok {
			p.given <- err
		}
	}
}

// queue takes the call when there is room for it.
func (b *BackgroundBus) queue(ctx context.Context, c *call) error {
	b.mu.Lock()
	switch n := len(c.events); {
	case b.closing:
		b.mu.Unlock()
		return errPublishClosed
	case b.backlog.fits(n):
		b.backlog.push(c)
		b.queued(n)
		b.mu.Unlock()
		return nil
	case n > b.options.Bound || b.options.WhenFull == FailWhenFull:
		err := b.full(c, nil)
		b.mu.Unlock()
		return err
	}
	p := &place{call: c, given: make(chan error, 1)}
	at := b.backlog.line.PushBack(p)
	b.mu.Unlock()
	select {
	case err := <-p.given:
		return err
	case <-ctx.Done():
		return b.leave(at, p, ctx.Err())
	}
}

// leave gives up a place in the line, unless it was given room just now.
func (b *BackgroundBus) leave(at *list.Element, p *place, why error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case err := <-p.given:
		return err
	default:
	}
	b.backlog.line.Remove(at)
	b.queued(b.backlog.giveBack(0)) // those behind may need less
	return b.full(p.call, why)
}

// force takes the call beyond the bound.
func (b *BackgroundBus) force(c *call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return errPublishClosed
	}
	b.backlog.push(c)
	b.queued(len(c.events))
	return nil
}

// queued counts events that have just been queued, and sees to it that somebody hands
// them over. The lock is held.
func (b *BackgroundBus) queued(n int) {
	b.counts.queued += uint64(n)
	if n > 0 && !b.running {
		b.running = true
		go b.run()
	}
}

// full counts and explains that there was no room. The lock is held.
func (b *BackgroundBus) full(c *call, ended error) error {
	b.counts.refused += uint64(len(c.events))
	why := fmt.Errorf("%w: %w: the background queue holds %d of at most %d events (BackgroundOptions.Bound), and this call has %d: ",
		ErrRefused, ErrFull, b.backlog.size, b.options.Bound, len(c.events))
	switch {
	case len(c.events) > b.options.Bound:
		why = fmt.Errorf("%wsplit the call, or raise Bound", why)
	case ended != nil:
		why = fmt.Errorf("%wthe bus beneath does not keep up: %w", why, ended)
	default:
		why = fmt.Errorf("%wthe bus beneath does not keep up", why)
	}
	return refusal(c.events, func(int) error { return why })
}
