package engine

import (
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// grace is how long a handler may take to return after its time-out, before its
// event is buried and its slot given away.
const grace = 5 * time.Second

// One timer watches the attempts of a subscription: all have the same time-out, so
// the first one that began is the first whose time is up. The timer is not
// stopped when that attempt ends in time; it then finds the next one.

// arm sets the timer.
func (s *subscription) arm(d time.Duration) {
	s.watching = true
	if s.watch == nil {
		s.watch = s.bus.clock.AfterFunc(d, s.check)
		return
	}
	s.watch.Reset(d)
}

// check ends the contexts of attempts that are out of time, and gives up those
// that did not return in their grace.
func (s *subscription) check() {
	now := s.bus.clock.Now()
	s.mu.Lock()
	var late []*attempt
	for a := s.running.first; a != nil && !a.until.After(now); a = s.running.first {
		a.leave()
		a.until = now.Add(grace)
		s.overdue.push(a)
		late = append(late, a)
	}
	for a := s.overdue.first; a != nil && !a.until.After(now); a = s.overdue.first {
		a.leave()
		if a.event.Load() == nil { // not even in its handler yet: the ledger is slow
			a.until = now.Add(grace)
			s.overdue.push(a)
			continue
		}
		s.abandon(a, now)
	}
	s.watching = false
	if next, ok := s.nextDeadline(); ok {
		s.arm(next.Sub(now))
	}
	s.mu.Unlock()
	for _, a := range late {
		a.end(eventbus.ErrTimeout)
	}
}

func (s *subscription) nextDeadline() (next time.Time, ok bool) {
	for _, a := range []*attempt{s.running.first, s.overdue.first} {
		if a != nil && (!ok || a.until.Before(next)) {
			next, ok = a.until, true
		}
	}
	return next, ok
}

// abandon gives up a handler that does not return: its event is buried by another
// worker, in whose place the lost goroutine counts no more.
func (s *subscription) abandon(a *attempt, now time.Time) {
	f := a.flight
	a.abandoned, a.flight = true, nil
	s.stats.Running--
	s.stats.Stuck++
	s.stats.Attempts++
	s.stats.Failed++
	if f.careful {
		f.feed.release(f)
	}
	s.leave()
	if f.lost {
		s.drop(f)
		return
	}
	f.fail(now)
	f.ending = s.burial(f, dlq.Timeout, &stuckError{s.sub.Timeout}, now)
	f.ending.told.Stuck = true
	f.todo = inter
	f.lane.state = laneReady
	s.ready.pushFront(f.lane)
	s.dispatch()
}

type stuckError struct{ timeout time.Duration }

func (e *stuckError) Error() string {
	return "handler did not return within " + grace.String() + " after its time-out of " + e.timeout.String() + "; its goroutine is lost"
}

func (e *stuckError) Unwrap() error { return eventbus.ErrTimeout }
