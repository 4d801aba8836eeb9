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

	attempts int // that the policy allows
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
			x.recall(t, c.attempts)
		}
	}
	switch {
	case c.state == undecided && x.Redelivered > 0:
		c.state = careful
	case c.state == undecided, x.Redelivered == 0 && c.untried == 0: // nothing runs that it would be beside
		c.state = trusting
	}
	if c.state == careful {
		x.careful = true
		c.untried++
	}
}

// recall takes over what the ledger knows. An event whose attempts are used up has
// one more, its last again: whether its letter was stored is not known, and a letter
// says why.
func (f *flight) recall(t Tries, most int) {
	f.recorded = true
	h := f.own()
	h.attempts = max(h.attempts, min(t.Attempts, most-1))
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

// suspected is a flight that the ledger holds as the suspect, and what else it was
// told of it.
type suspected struct {
	origin string
	tries  Tries
}

// suspect writes the flight into the ledger as the suspect, before its handler is
// called.
func (s *subscription) suspect(x *flight) {
	if s.bus.backend.Ledger == nil {
		return
	}
	origin, t := x.origin(), x.past.tries()
	s.mu.Lock()
	x.recorded = true
	s.suspects[x] = suspected{origin, t}
	s.mu.Unlock()
	t.Suspect = true
	x.feed.save(s.settling, map[string]Tries{origin: t})
}

// acquit takes the suspicion back once the handler has returned: that the flight is
// settled is not certain yet.
func (s *subscription) acquit(x *flight) {
	s.mu.Lock()
	_, was := s.suspects[x]
	delete(s.suspects, x)
	s.mu.Unlock()
	if was && s.settling.Err() == nil {
		x.feed.save(s.settling, map[string]Tries{x.origin(): x.past.tries()})
	}
}

// tries is what the ledger is told.
func (h *history) tries() Tries {
	return Tries{Attempts: h.attempts, Crashes: h.crashes, First: h.first}
}

// recall loads what the ledger knows of deliveries that were handed over before.
func (f *feed) recall(ds []*Delivery) map[string]Tries {
	ledger := f.s.bus.backend.Ledger
	again := func(d *Delivery) bool { return d.Redelivered > 0 }
	if ledger == nil || !slices.ContainsFunc(ds, again) {
		return nil
	}
	running := f.s.underSuspicion()
	known, err := ledger.Load(f.s.settling, f.s.group)
	if err != nil {
		f.s.bus.notices.warn("the ledger of attempts cannot be read: they are counted anew", f.s.group, failure(err))
	}
	for _, origin := range running {
		if t, ok := known[origin]; ok {
			t.Suspect = false // this process has not died of it: its handler still runs here
			known[origin] = t
		}
	}
	return known
}

// underSuspicion returns the origins of the suspects that run.
func (s *subscription) underSuspicion() (origins []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.suspects {
		origins = append(origins, x.origin)
	}
	return origins
}

// leave notes how often a flight was tried whose source is gone, or going. The lock is held.
func (f *feed) leave(x *flight) {
	if (f.gone || f.withdrawn) && x.tells() {
		if f.left == nil {
			f.left = map[string]Tries{}
		}
		f.left[x.origin()] = x.past.tries()
	}
}

// tells reports whether the ledger is to be told of a flight that is given back.
func (f *flight) tells() bool { return f.recorded || f.past.attempts > f.past.facts.Attempts }

// keepTries writes into the ledger how often the flights were tried that are given
// back, or went with their source.
func (f *feed) keepTries(ctx context.Context) {
	s := f.s
	s.mu.Lock()
	tries := f.left
	f.left = nil
	if tries == nil {
		tries = map[string]Tries{}
	}
	for x := f.flights.first; x != nil; x = x.after {
		if x.atWork() {
			if u, ok := s.suspects[x]; ok && s.halted { // and has overrun the end, which is no crash
				tries[u.origin] = u.tries
			}
		} else if x.tells() {
			tries[x.origin()] = x.past.tries()
		}
	}
	s.mu.Unlock()
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
