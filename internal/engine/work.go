package engine

import (
	"time"

	"github.com/seed-28af575d/eventbus"
)

// The workers of a subscription. One is started when there is something to do, at
// most Concurrency of them; each starts the next one while more is ready, and ends
// when nothing is. So an idle subscription has no goroutine, and quick handlers have
// few: the next one is not started before the last one runs.

// mayStart reports whether a handler may start now.
func (s *subscription) mayStart() bool {
	return s.ready.first != nil && !s.halted && !s.paused && s.suspended.IsZero()
}

// dispatch starts a worker if there is something to do for it.
func (s *subscription) dispatch() {
	if !s.starting && s.workers < s.sub.Concurrency && s.mayStart() {
		s.starting = true
		s.workers++
		go s.work()
	}
}

// work handles flights until none is ready.
func (s *subscription) work() {
	var j job
	defer func() {
		if r := recover(); r != nil {
			panic(r) // the engine's own fault: locks may be held, nothing can be mended
		}
		s.goexit(&j)
	}()
	s.mu.Lock()
	s.starting = false
	for {
		if !s.take(&j) {
			s.leave()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.do(&j)
		if len(j.tells) > 0 {
			s.tellAll(&j)
		}
		s.mu.Lock()
		if j.outcome.kind == outcomeAbandoned {
			j.flight = nil // as is this worker's slot
			s.mu.Unlock()
			return
		}
		s.finish(&j)
	}
}

// job is what a worker has in hand.
type job struct {
	flight  *flight
	attempt *attempt // nil when no handler is to be called
	now     time.Time
	calling bool // the handler
	outcome outcome
	tells   []func() // calls of the observer that are due
}

// take gives the worker the first flight that is ready.
func (s *subscription) take(j *job) bool {
	for s.mayStart() {
		l := s.ready.pop()
		f := l.first
		if f == nil { // its feed is gone
			s.closeLane(l)
			continue
		}
		if f.careful && !f.feed.alone(f) {
			l.state = laneWaiting
			continue
		}
		l.state = laneRunning
		*j = job{flight: f, now: s.now()}
		if f.todo == handle {
			j.attempt = s.begin(f, j.now)
			s.stats.Running++
		}
		s.dispatch()
		s.hungry()
		return true
	}
	s.hungry()
	return false
}

// hungry lets feeds fill single places once nothing else is ready.
func (s *subscription) hungry() {
	if s.waiting == 0 || s.ready.first != nil {
		return
	}
	for f := range s.feeds {
		f.recheck()
	}
}

// begin makes the attempt that the flight's handler call will be.
func (s *subscription) begin(f *flight, now time.Time) *attempt {
	a := s.garage.next(s, now)
	a.flight = f
	s.running.push(a)
	if s.running.first == a { // else the timer is set for an earlier one
		s.arm(now, s.sub.Timeout)
	}
	return a
}

// beginAgain lets the attempt's time begin now: the ledger may have taken long.
func (s *subscription) beginAgain(j *job) {
	j.now = s.bus.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := j.attempt; a.list != nil {
		a.leave()
		a.context.began, a.since = j.now, j.now
		s.running.push(a)
	}
}

// leave ends a worker.
func (s *subscription) leave() {
	s.workers--
	s.checkIdle()
}

func (s *subscription) checkIdle() {
	if s.halted && s.workers == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// goexit settles what was left behind by a handler that ended its own goroutine, as
// testing's FailNow does, or by an observer that did.
func (s *subscription) goexit(j *job) {
	if j.flight == nil {
		return
	}
	if j.calling {
		s.conclude(j, errGoexit)
	}
	s.mu.Lock()
	if j.outcome.kind != outcomeAbandoned {
		s.finish(j)
		s.leave()
		s.dispatch()
	}
	s.mu.Unlock()
	s.tellAll(j) // last: nothing depends on its return
}

var errGoexit error = &eventbus.PanicError{Value: "the handler ended its goroutine (runtime.Goexit)"}

// finish puts the outcome into effect: it settles the flight, or lets it wait.
func (s *subscription) finish(j *job) {
	f, a := j.flight, j.attempt
	if a != nil {
		a.leave()
		a.flight = nil
		s.garage.park(a)
		s.stats.Running--
	}
	j.flight = nil
	l := f.lane
	if f.careful {
		f.feed.release(f)
	}
	o := &j.outcome
	if f.lost { // whatever came of it, others are handed it again
		f.feed.leave(f)
		s.drop(f)
		return
	}
	s.count(o)
	switch {
	case o.kind == outcomeLeft || s.halted && !o.settled():
		l.state = laneStopped
	case o.settled():
		s.settle(f)
	case f.feed.withdrawn:
		f.feed.leave(f)
		s.drop(f)
	case o.kind == outcomeHeld:
		s.suspend(o.delay)
		l.state = laneReady
		s.ready.pushFront(l)
	case o.delay == 0:
		l.state = laneReady
		s.ready.pushFront(l)
	default:
		s.wait(f, o.delay)
	}
}

// wait lets the flight's lane wait for d.
func (s *subscription) wait(f *flight, d time.Duration) {
	f.lane.state = laneWaiting
	gen := f.gen
	f.own().timer = s.bus.clock.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if f.gen == gen && f.past.timer != nil {
			f.past.timer = nil
			s.wake(f)
		}
	})
}

// wake makes the waiting lane of a flight ready.
func (s *subscription) wake(f *flight) {
	if l := f.lane; l != nil && l.first == f && l.state == laneWaiting {
		l.state = laneReady
		s.ready.push(l)
		s.dispatch()
	}
}

// settle acknowledges the flight and lets the next one of its lane go on.
func (s *subscription) settle(f *flight) {
	f.feed.ack(f)
	s.drop(f)
}

// drop forgets the flight.
func (s *subscription) drop(f *flight) {
	l := f.lane
	head := l.first == f
	l.remove(f)
	if t := f.past.timer; t != nil {
		t.Stop()
	}
	if f.past.failures > 0 {
		s.trouble = nil // others in trouble say so again soon
	}
	delete(s.suspects, f)
	f.feed.forget(f)
	s.hangar.park(f)
	switch {
	case !head || l.state == laneReady: // it stands in the queue, even when it is empty
	case l.first == nil:
		s.closeLane(l)
	default:
		l.state = laneReady
		s.ready.push(l)
		s.dispatch()
	}
}
