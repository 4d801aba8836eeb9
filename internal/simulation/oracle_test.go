package simulation

import (
	"errors"

	"github.com/seed-28af575d/eventbus"
)

// judge checks what must hold once nothing is under way.
func (w *world) judge() {
	w.mu.Lock()
	for _, e := range w.events {
		w.judgePublish(e)
		for _, g := range w.groups {
			if g.wants(e.Type) {
				g.judge(e)
			}
		}
	}
	w.judgeOrder()
	w.mu.Unlock()
	for _, p := range w.processes {
		if !p.dead && !p.stopping {
			p.judgeSums()
		}
	}
}

// judgePublish compares what Publish said with what the broker has.
func (w *world) judgePublish(e *event) {
	refused, unknown := errors.Is(e.outcome, eventbus.ErrRefused), errors.Is(e.outcome, eventbus.ErrUnknown)
	switch {
	case !e.known:
		w.violation(e.ID, "Publish did not return")
	case e.outcome == nil && !e.stored():
		w.violation(e.ID, "said to be stored, and it is not")
	case refused && e.stored():
		w.violation(e.ID, "said to be refused, and it is stored: %v", e.outcome)
	case e.outcome != nil && refused == unknown:
		w.violation(e.ID, "neither refused nor unknown: %v", e.outcome)
	}
	if len(e.positions) > 1+e.twice {
		w.violation(e.ID, "stored %d times, %d of them by the broker's fault", len(e.positions), e.twice)
	}
}

// judge checks that the event was handled or buried, and not too often.
func (g *group) judge(e *event) {
	w, b := g.world, g.book(e.ID)
	copies := len(e.positions)
	switch {
	case !e.stored():
		if b.calls > 0 || len(b.letters) > 0 {
			w.violation(e.ID, "handled or buried by %s, and never stored", g.full)
		}
		return
	case !b.safe():
		w.violation(e.ID, "LOST by %s: neither handled nor buried", g.full)
	}
	if len(b.letters) > copies+b.replays {
		w.violation(e.ID, "%d letters of %d copies to %s", len(b.letters), copies, g.full)
	}
	if b.successes > 0 && len(b.letters) > 0 && b.harm == 0 && copies == 1 {
		w.violation(e.ID, "handled and buried by %s, without any fault", g.full)
	}
	if more := b.successes - 1; more > b.harm+copies-1 {
		w.violation(e.ID, "handled %d times by %s, after %d faults", b.successes, g.full, b.harm+copies-1)
	}
	if most := g.retry.Attempts * (copies + b.harm + b.returns); b.failures > most {
		w.violation(e.ID, "%d failed attempts by %s, of %d", b.failures, g.full, most)
	}
}

// judgeOrder checks that each publisher's events stand at the broker in its order.
func (w *world) judgeOrder() {
	for key, es := range w.orders {
		last := map[byte]*event{} // by publisher
		for _, e := range es {
			if e.order == 0 || e.AggregateID == "" {
				continue
			}
			publisher := e.ID[1]
			if before := last[publisher]; before != nil && before.order > e.order {
				w.violation(e.ID, "stored behind %s of %s, though published before it", before.ID, key)
			}
			last[publisher] = e
		}
	}
}

// judgeSums checks that the counters add up.
func (p *process) judgeSums() {
	w := p.world
	st, err := p.bus.Stats(w.t.Context())
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.violation("", "%s: Stats: %v", p.name, err)
	}
	if len(st.Subscribers) != len(w.groups) {
		w.violation("", "%s: %d subscribers, of %d", p.name, len(st.Subscribers), len(w.groups))
	}
	for _, s := range st.Subscribers {
		p.judgeSum(s)
	}
}

func (p *process) judgeSum(s eventbus.SubscriberStats) {
	w, g := p.world, p.world.group(s.Group+"."+s.Subscriber)
	var m *member
	for _, x := range g.members {
		if x.process == p {
			m = x
		}
	}
	if m == nil {
		w.violation("", "%s has left %s", p.name, g.full)
		return
	}
	settled := s.Handled + s.Skipped + s.Moved + s.Buried
	if missing := int(settled) - int(s.Acked); missing < 0 || missing > m.losses {
		w.violation("", "%s %s: %d acked, %d settled, %d lost: %+v", p.name, g.full, s.Acked, settled, m.losses, s)
	}
	if gone := int(s.Received) - int(settled); gone < 0 || gone > m.losses {
		w.violation("", "%s %s: %d received, %d settled, %d lost: %+v", p.name, g.full, s.Received, settled, m.losses, s)
	}
	x := p.terms[g]
	if !w.plan.observed || m.losses > 0 || p.hurried { // of a hurried end handlers may be left, which tell the observer too
		return
	}
	if x.failed != x.retried+x.buried || uint64(x.failed) != s.Failed || uint64(x.buried) != s.Buried {
		w.violation("", "%s %s: %d failed attempts, %d retried, %d buried: %+v", p.name, g.full, x.failed, x.retried, x.buried, s)
	}
}
