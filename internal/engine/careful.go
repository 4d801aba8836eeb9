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
	if t, ok := known[x.origin()]; ok && known != nil {
		x.recall(t)
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
	f.attempts = max(f.attempts, t.Attempts)
	f.crashes = max(f.crashes, t.Crashes)
	if t.Suspect {
		f.crashes++
	}
	if f.first.IsZero() {
		f.first = t.First
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
	x.feed.save(s.settling, map[string]Tries{x.origin(): {Attempts: x.attempts, Crashes: x.crashes, First: x.first, Suspect: yes}})
}

// recall loads what the ledger knows of deliveries that were handed over before.
func (f *feed) recall(ds []Delivery) map[string]Tries {
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
		if x.recorded || x.attempts > x.facts.Attempts {
			tries[x.origin()] = Tries{Attempts: x.attempts, Crashes: x.crashes, First: x.first}
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
