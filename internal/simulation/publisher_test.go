package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

var types = []string{"order.created", "order.paid", "order.line.added", "note.taken"}

// publisher publishes events about aggregates of its own, one call after another, at
// whichever process lives.
func (w *world) publisher(n int) {
	r := stream(w.plan.seed, uint64(100+n))
	var calls sync.WaitGroup
	defer calls.Wait()
	var p *process
	number := 0
	for range w.plan.calls {
		rest(w.t.Context(), time.Duration(pick(r, 1, 1, 1+r.IntN(60)))*time.Millisecond)
		p = w.living(p, r.IntN(1000))
		var es []eventbus.DomainEvent
		for range 1 + r.IntN(4) {
			number++
			es = append(es, newEvent(fmt.Sprintf("p%d-%d", n, number), types[r.IntN(len(types))], aggregates(n)[r.IntN(3)]))
		}
		ctx, cancel := w.t.Context(), context.CancelFunc(func() {})
		if r.IntN(4) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(100))*time.Millisecond)
		}
		by, last := p, number
		calls.Go(func() {
			defer cancel()
			_ = by.publish(ctx, last, es...)
		})
		if !w.plan.hasty {
			calls.Wait()
		}
	}
}

// aggregates are those of a publisher; one has no ID, and its events no order.
func aggregates(n int) []string { return []string{fmt.Sprint("a", n), fmt.Sprint("b", n), ""} }

func newEvent(id, eventType, aggregate string) eventbus.DomainEvent {
	return eventbus.NewRaw(eventType, aggregate, "application/json", fmt.Appendf(nil, `{"sum":%d}`, hash(id))).WithID(id)
}

// living returns the process that the publisher used before, or another one when that
// is dead or down for good: what it has under way would overtake what comes after.
func (w *world) living(p *process, roll int) *process {
	for {
		w.mu.Lock()
		if p != nil && !p.dead && !p.stopping {
			w.mu.Unlock()
			return p
		}
		var down chan struct{} // of the old one
		if p != nil && !p.dead {
			down = p.down
		}
		p = nil
		var all []*process
		for _, x := range w.processes {
			if !x.dead && !x.stopping {
				all = append(all, x)
			}
		}
		if len(all) > 0 {
			p = all[roll%len(all)]
		}
		w.mu.Unlock()
		if down != nil {
			<-down
		}
		if p == nil {
			rest(w.t.Context(), 20*time.Millisecond)
		}
	}
}

// publish publishes and writes down what comes of it.
func (p *process) publish(ctx context.Context, number int, es ...eventbus.DomainEvent) error {
	w := p.world
	w.mu.Lock()
	for i := range es {
		e := &event{DomainEvent: es[i]}
		if number > 0 {
			e.order = number - len(es) + 1 + i
		}
		w.events[e.ID] = e
		w.note(p.name, e.ID, "is published: "+e.Type+" "+e.AggregateID)
	}
	w.mu.Unlock()
	began := time.Now()
	err := p.bus.Publish(ctx, es...)
	took := time.Since(began)
	w.mu.Lock()
	defer w.mu.Unlock()
	if took > 2*w.plan.publishTimeout+time.Second { // a batch may be under way, and then its own
		w.violation(es[0].ID, "its Publish took %v, of %v", took, w.plan.publishTimeout)
	}
	var failed *eventbus.PublishError
	errors.As(err, &failed)
	for i := range es {
		e := w.events[es[i].ID]
		e.known = true
		switch {
		case failed != nil:
			e.outcome = outcome(failed, i)
		case err != nil: // nothing was sent
			e.outcome = fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
		}
		w.note(p.name, e.ID, fmt.Sprint("published: ", e.outcome))
		if e.outcome == nil && !e.stored() && !p.dead {
			w.violation(e.ID, "said to be stored, and it is not")
		}
	}
	return err
}

func outcome(failed *eventbus.PublishError, index int) error {
	for _, f := range failed.Failed {
		if f.Index == index {
			return f.Err
		}
	}
	return nil
}

// follow publishes an event from a handler.
func (p *process) follow(ctx context.Context, g *group, c *call, cause eventbus.DomainEvent) error {
	if cause.AggregateType == "note" {
		return nil // or it would never end
	}
	id := fmt.Sprintf("f-%s-%s-%d", g.name, cause.ID, c.number)
	err := p.publish(ctx, 0, newEvent(id, "note.taken", "n"+cause.AggregateID).CausedBy(cause))
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	return nil
}
