package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// call is one call of a handler.
type call struct {
	process  *process
	term     *term
	book     *book
	began    time.Time
	ended    time.Time // zero: it runs
	number   int       // in the group, of the event
	disowned bool      // its delivery went elsewhere meanwhile
}

// grace is how long a handler has after its time-out before its event is buried.
const grace = 5 * time.Second

// lost reports whether the call may have been given up as stuck.
func (c *call) lost(timeout time.Duration) bool {
	return time.Since(c.began) >= timeout+grace-2*time.Millisecond
}

// handle is the handler of every subscriber.
func (p *process) handle(ctx context.Context, x *term, g *group, e eventbus.DomainEvent) error {
	c := p.begin(ctx, x, g, &e)
	if c == nil {
		return errBad
	}
	b := p.plan.behaviour(g.subject, e.ID)
	bad := c.number <= b.times
	if bad && b.bad == stuck {
		<-p.world.gate
		p.finish(ctx, g, c, errStuck)
		return nil
	}
	took := b.took
	if bad && b.bad == late {
		took = g.timeout + b.delay
	}
	if err := p.work(ctx, took, b); err != nil {
		p.finish(ctx, g, c, err)
		return err
	}
	if b.publish {
		if err := p.follow(ctx, g, c, e); err != nil {
			p.finish(ctx, g, c, err)
			return err
		}
	}
	err := b.verdict(c.number)
	p.finish(ctx, g, c, err)
	switch {
	case !bad:
	case b.bad == panics:
		panic(errBad)
	case b.bad == exits:
		runtime.Goexit()
	}
	return err
}

var errStuck = errors.New("stuck")

// work takes its time; some handlers notice when their context ends.
func (p *process) work(ctx context.Context, took time.Duration, b behaviour) error {
	if took == 0 {
		return nil
	}
	if b.deaf || b.bad == late {
		ctx = context.WithoutCancel(ctx)
	}
	if !rest(ctx, took) {
		return ctx.Err()
	}
	return nil
}

// begin notes that a handler runs, unless its process is dead, and checks that it may.
func (p *process) begin(ctx context.Context, x *term, g *group, e *eventbus.DomainEvent) *call {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.dead {
		return nil
	}
	known := w.events[e.ID]
	if known == nil || !g.wants(e.Type) {
		w.violation("", "%s handles %q of type %q, which nobody published or it did not ask for", g.full, e.ID, e.Type)
		return nil
	}
	if !bytes.Equal(e.Data(), known.Data()) || e.Type != known.Type || e.AggregateID != known.AggregateID || e.CausationID != known.CausationID {
		w.violation(e.ID, "handled as another event than it was published as")
	}
	c := &call{process: p, term: x, book: g.book(e.ID), began: time.Now()}
	c.book.calls++
	c.number = c.book.calls
	d, _ := eventbus.DeliveryOf(ctx)
	w.note(p.name, e.ID, fmt.Sprintf("handled by %s: call %d, attempt %d", g.name, c.number, d.Attempt))
	g.checkAttempt(c, d.Attempt)
	if !g.unordered && e.AggregateID != "" {
		g.checkOrder(c)
	}
	g.checkConcurrency(c)
	g.running = append(g.running, c)
	return c
}

// checkAttempt compares the number of the attempt with those that were counted, and the
// wait before it with the policy.
func (g *group) checkAttempt(c *call, attempt int) {
	b, w := c.book, g.world
	if attempt > g.retry.Attempts || attempt < 1 {
		w.violation(b.event.ID, "attempt %d, of %d", attempt, g.retry.Attempts)
	}
	reliable := w.plan.ledger && w.plan.levels[ledgerFails]+w.plan.levels[ledgerLate] == 0
	if b.harm > 0 || len(b.event.positions) > 1 || b.returns > 0 && !reliable {
		return // what was counted before may be unknown, or another copy's
	}
	if attempt != min(b.failures+1, g.retry.Attempts) {
		w.violation(b.event.ID, "attempt %d of %s after %d failures", attempt, g.full, b.failures)
	}
	steered := w.plan.behaviour(g.subject, b.event.ID).bad == retryAfter
	if pause := c.began.Sub(b.failed); b.failures > 0 && b.returns == 0 && !steered && pause < g.retry.Min*8/10 {
		w.violation(b.event.ID, "tried again by %s after %v, of %v", g.full, pause, g.retry.Min)
	}
}

// checkOrder checks that no earlier event of the aggregate is open, and that no other
// is being handled.
func (g *group) checkOrder(c *call) {
	w, id, key := g.world, c.book.event.ID, c.book.event.aggregate()
	for _, other := range g.running {
		foreign := other.term != c.term && (other.disowned || g.shared[key])
		if other.book.event.aggregate() == key && !other.lost(g.timeout) && !foreign {
			w.violation(id, "handled by %s while %s is", g.full, other.book.event.ID)
		}
	}
	if g.exempt[key] {
		return
	}
	for _, e := range w.orders[key] {
		switch {
		case e == c.book.event:
			return
		case g.wants(e.Type) && !g.book(e.ID).done():
			w.violation(id, "handled by %s before %s", g.full, e.ID)
		}
	}
}

func (g *group) checkConcurrency(c *call) {
	n := 1
	for _, other := range g.running {
		if other.term == c.term && !other.lost(g.timeout) {
			n++
		}
	}
	if n > g.concurrency {
		g.world.violation(c.book.event.ID, "%d handlers of %s run, of %d", n, g.full, g.concurrency)
	}
}

// finish notes what a handler returns.
func (p *process) finish(ctx context.Context, g *group, c *call, err error) {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	c.ended = time.Now()
	g.running = slices.DeleteFunc(g.running, func(x *call) bool { return x == c })
	if p.dead {
		return
	}
	b, id := c.book, c.book.event.ID
	w.note(p.name, id, fmt.Sprintf("%s: call %d returns %v", g.name, c.number, err))
	var suspend *eventbus.SuspendError
	switch {
	case errors.Is(err, errStuck):
		b.stuck++
	case err == nil:
		b.successes++
		g.handled = append(g.handled, id)
	case !errors.As(err, &suspend) && !errors.Is(context.Cause(ctx), eventbus.ErrInterrupted):
		b.failures++
		b.failed = c.ended
	}
	if took := c.ended.Sub(c.began); errors.Is(context.Cause(ctx), eventbus.ErrTimeout) && took < g.timeout-2*time.Millisecond {
		w.violation(id, "timed out after %v, of %v", took, g.timeout)
	}
}
