package engine

import (
	"context"
	"slices"
)

// maxCrashes is how often a process may die of an event before it is buried.
const maxCrashes = 10

// suspicion is the careful start of a feed. A source that begins with deliveries
// that were handed over before may hold the one that killed the last process: they
// are handled one at a time, each written into the ledger as the suspect first,
// until the first fresh delivery is met. So a crash is charged to the event that
// ran alone when it happened, and never to its neighbours.
//
// It belongs to the lock of the subscription.
type suspicion struct {
	state   caution
	holder  *flight   // the one that may run
	waiting []*flight // for their turn
	untried int       // careful flights that did not run yet
}

type caution int

const (
	undecided caution = iota // nothing was received yet
	careful
	trusting
)

// look decides whether a flight that was just received is careful. What comes in
// one batch with careful ones is careful too, or it would run beside them.
func (c *suspicion) look(x *flight, known map[string]Tries) {
	if len(known) > 0 { // seldom: its key is not free
		if t, ok := known[x.origin()]; ok {
			x.recall(t)
		}
	}
	if c.state == undecided {
		c.state = trusting
		if x.Redelivered > 0 {
			c.state = careful
		}
	}
	if c.state == careful {
		x.careful = true
		c.untried++
	}
}

// recall takes over what the ledger knows.
func (f *flight) recall(t Tries) {
	f.recorded = true
	h := f.own()
	h.attempts = max(h.attempts, t.Attempts)
	h.crashes = max(h.crashes, t.Crashes)
	if t.Suspect {
		h.crashes++
	}
	if h.first.IsZero() {
		h.first = t.First
	}
}

// end decides, after a batch, whether the next one is to be careful too.
func (c *suspicion) end(last *flight) {
	if c.state == careful && last.Redelivered == 0 {
		c.state = trusting
	}
}

// closed reports whether nothing more is to be received for now: what comes next
// waits until the careful flights that can run have done so once.
func (f *feed) closed() bool {
	if f.suspicion.untried == 0 {
		return false
	}
	for x := f.flights.first; x != nil; x = x.after {
		if x.careful && !x.tried && x.lane.first == x {
			return true
		}
	}
	return false
}

// alone reports whether the flight may run now; if not, it is woken when it may.
func (f *feed) alone(x *flight) bool {
	c := &f.suspicion
	if c.holder == nil || c.holder == x {
		c.holder = x
		return true
	}
	c.waiting = append(c.waiting, x)
	return false
}

// release lets the next careful flight run.
func (f *feed) release(x *flight) {
	c := &f.suspicion
	if !x.tried {
		x.tried = true
		c.untried--
	}
	if c.holder == x {
		c.holder = nil
		if len(c.waiting) > 0 {
			c.holder = c.waiting[0]
			c.waiting = c.waiting[1:]
			f.s.wake(c.holder)
		}
	}
	f.recheck()
}

// clear forgets a careful flight.
func (f *feed) clear(x *flight) {
	c := &f.suspicion
	c.waiting = slices.DeleteFunc(c.waiting, func(w *flight) bool { return w == x })
	f.release(x)
}

// suspect writes the flight into the ledger as the suspect, before its handler is
// called.
func (s *subscription) suspect(x *flight, yes bool) {
	if s.bus.backend.Ledger == nil {
		return
	}
	s.mu.Lock()
	x.recorded = true
	s.mu.Unlock()
	t := x.past.tries()
	t.Suspect = yes
	x.feed.save(s.settling, map[string]Tries{x.origin(): t})
}

// tries is what the ledger is told.
func (h *history) tries() Tries {
	return Tries{Attempts: h.attempts, Crashes: h.crashes, First: h.first}
}

// recall loads what the ledger knows of deliveries that were handed over before.
func (f *feed) recall(ds []*Delivery) map[string]Tries {
	ledger := f.s.bus.backend.Ledger
	if ledger == nil {
		return nil
	}
	for i := range ds {
		if ds[i].Redelivered == 0 {
			continue
		}
		known, err := ledger.Load(f.s.settling, f.s.group)
		if err != nil {
			f.s.bus.notices.warn("the ledger of attempts cannot be read: they are counted anew", f.s.group, failure(err))
		}
		return known
	}
	return nil
}

// keepTries writes into the ledger how often the flights were tried that are given
// back.
func (f *feed) keepTries(ctx context.Context) {
	tries := map[string]Tries{}
	f.s.mu.Lock()
	for x := f.flights.first; x != nil; x = x.after {
		if x.lane.first == x && x.lane.state == laneRunning {
			continue // it overran the shutdown, and is still its worker's
		}
		if x.recorded || x.past.attempts > x.past.facts.Attempts {
			tries[x.origin()] = x.past.tries()
		}
	}
	f.s.mu.Unlock()
	if len(tries) > 0 {
		f.save(ctx, tries)
	}
}

func (f *feed) save(ctx context.Context, t map[string]Tries) {
	ledger := f.s.bus.backend.Ledger
	if ledger == nil {
		return
	}
	if err := ledger.Save(ctx, f.s.group, t); err != nil {
		f.s.bus.notices.warn("the ledger of attempts cannot be written", f.s.group, failure(err))
	}
}
