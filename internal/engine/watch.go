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

// arm sets the timer, unless it is set for an earlier time.
func (s *subscription) arm(now time.Time, d time.Duration) {
	at := now.Add(d)
	if !s.watchAt.IsZero() && !at.Before(s.watchAt) {
		return
	}
	s.watchAt = at
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
	s.straighten(now)
	var late []*attemptContext
	var next *attempt
	for a := s.running.first; a != nil && now.Sub(a.since) >= s.sub.Timeout; a = next {
		next = a.next
		switch {
		case a.context.over(): // what is left to do is not its handler's
			a.leave()
		case a.event.Load() != nil: // else it is not in its handler yet: the ledger is slow
			a.leave()
			a.told = now.Sub(a.since)
			s.overdue.push(a)
			late = append(late, a.context)
		}
	}
	for a := s.overdue.first; a != nil && now.Sub(a.since) >= a.told+grace; a = s.overdue.first {
		a.leave()
		if !a.context.over() {
			s.abandon(a, now)
		}
	}
	s.watchAt = time.Time{}
	if wait, ok := s.nextDeadline(now); ok {
		s.arm(now, wait)
	}
	s.mu.Unlock()
	for _, c := range late {
		c.end(eventbus.ErrTimeout)
	}
}

// straighten moves along from when the time of attempts is measured where the clock was
// set: it has told another time than the timer, which nobody sets. The system's clock
// needs none of this, as its times have a monotonic reading; one that is passed in may
// tell the time of day alone.
func (s *subscription) straighten(now time.Time) {
	off := now.Sub(s.watchAt)
	if s.watchAt.IsZero() || off.Abs() < grace {
		off = 0
	}
	for _, list := range []*attempts{&s.running, &s.overdue} {
		for a := list.first; a != nil; a = a.next {
			if before := off > 0 && !a.since.After(s.watchAt) || off < 0 && a.since.After(now); before {
				a.since = a.since.Add(off)
			}
			if a.since.After(now) { // the clock was ahead for a while
				a.since = now
			}
		}
	}
}

// nextDeadline is how long to wait before the next check.
func (s *subscription) nextDeadline(now time.Time) (wait time.Duration, ok bool) {
	if a := s.running.first; a != nil {
		if wait, ok = s.sub.Timeout-now.Sub(a.since), true; wait <= 0 { // its ledger is slow
			wait = grace / 10
		}
	}
	if a := s.overdue.first; a != nil {
		left := a.told + grace - now.Sub(a.since)
		if !ok || left < wait {
			wait, ok = left, true
		}
	}
	return wait, ok
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
		s.dispatch() // its lane may be empty, and others wait for the worker's place
		return
	}
	f.fail(now)
	f.past.stuck = now.Sub(a.since)
	f.todo = giveUp
	f.lane.state = laneReady
	s.ready.pushFront(f.lane)
	s.dispatch()
}

// giveUpStuck buries the event of a handler that does not return.
func (s *subscription) giveUpStuck(j *job) {
	f, err := j.flight, &stuckError{s.sub.Timeout}
	f.todo = handle // unless a letter is to be stored
	s.tellStuck(j, err)
	s.bury(j, dlq.Timeout, err)
}

type stuckError struct{ timeout time.Duration }

func (e *stuckError) Error() string {
	return "handler did not return within " + grace.String() + " after its time-out of " + e.timeout.String() + "; its goroutine is lost"
}

func (e *stuckError) Unwrap() error { return eventbus.ErrTimeout }
