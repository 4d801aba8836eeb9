package engine

import (
	"time"

	"github.com/seed-28af575d/eventbus"
)

// outage is a time in which a source does not answer, to one who receives or to one who
// acknowledges: these may be different connections.
type outage struct {
	tries int
	since time.Time
	err   error
}

func (o *outage) begin(s *subscription, what string, err error) {
	o.note(s.bus.clock.Now(), err)
	s.bus.notices.warn(what, s.group, failure(err))
}

func (o *outage) note(now time.Time, err error) {
	if o.tries++; o.tries == 1 {
		o.since, o.err = now, err
	}
}

func (o *outage) over(s *subscription) {
	if o.tries == 0 {
		return
	}
	s.mu.Lock()
	s.stats.Reconnections++
	s.mu.Unlock()
	s.tellReconnected(eventbus.Reconnected{Tries: o.tries, Down: s.bus.clock.Now().Sub(o.since), Err: o.err})
	*o = outage{}
}

// lose drops what the feed had received, since its source is gone: others are
// handed it, or the next feed is.
func (f *feed) lose(why error) {
	s := f.s
	s.mu.Lock()
	s.away.note(s.bus.clock.Now(), why)
	replaced := s.replaced(f)
	f.gone = true
	f.drained = make(chan struct{})
	drained := f.drained
	cancelled := s.loseAll(f)
	s.mu.Unlock()
	for _, c := range cancelled {
		c.end(eventbus.ErrInterrupted)
	}
	if replaced {
		s.back()
	}
	f.keepTries(s.settling)
	ended, stop := s.bus.after(grace)
	select {
	case <-drained:
	case <-ended:
	case <-s.receiving.Done():
	}
	stop()
	f.close(s.settling)
}

// replaced reports whether there is another source than that of the feed already.
func (s *subscription) replaced(f *feed) bool {
	for other := range s.feeds {
		if other != f && !other.gone {
			return true
		}
	}
	return false
}

// loseAll drops the flights of a feed that is gone, but for those under way: they
// are marked, and their attempts returned. The lock is held.
func (s *subscription) loseAll(f *feed) (cancelled []*attemptContext) {
	for x := f.flights.first; x != nil; {
		next := x.after
		if a, busy := s.lose(x); a != nil {
			cancelled = append(cancelled, a.context)
		} else if !busy {
			f.leave(x)
			s.drop(x)
		}
		x = next
	}
	if f.flights.n == 0 && f.drained != nil {
		close(f.drained)
		f.drained = nil
	}
	return cancelled
}

// lose marks the flight as one that cannot be settled any more, and returns its
// attempt if its handler runs; busy is whether a worker has it at all.
func (s *subscription) lose(x *flight) (a *attempt, busy bool) {
	x.lost = true
	l := x.lane
	if l.first != x || l.state != laneRunning {
		return nil, false
	}
	for _, list := range []*attempts{&s.running, &s.overdue} {
		for a := list.first; a != nil; a = a.next {
			if a.flight == x {
				return a, true
			}
		}
	}
	return nil, true
}
