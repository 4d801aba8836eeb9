package engine

import "github.com/seed-28af575d/eventbus"

// What the observer is to be told of a job is collected and told at its end, without
// the lock: by then it is decided what becomes of the flight, and an observer that
// panics or ends the goroutine changes nothing of it.

func (j *job) tell(call func()) { j.tells = append(j.tells, call) }

// tellAll calls the observer for what was collected.
func (s *subscription) tellAll(j *job) {
	for len(j.tells) > 0 {
		call := j.tells[0]
		j.tells = j.tells[1:] // also if it does not return
		s.guard(call)
	}
	j.tells = nil
}

// guard calls the observer, whose panics are none of the bus's.
func (s *subscription) guard(call func()) {
	defer func() {
		if r := recover(); r != nil {
			s.bus.notices.warn("the observer panicked", s.group, failure(panicked(r, "")))
		}
	}()
	call()
}

func (s *subscription) tellHandled(j *job, err error) {
	if tell := s.bus.options.Observer.Handled; tell != nil {
		h := eventbus.Handled{
			Group: s.sub.Group, Subscriber: s.sub.Name, Event: *j.flight.event,
			Attempt: int(j.attempt.context.number), Took: s.bus.clock.Now().Sub(j.now), Err: err,
		}
		j.tell(func() { tell(h) })
	}
}

func (s *subscription) tellStuck(j *job, err error) {
	if tell := s.bus.options.Observer.Handled; tell != nil {
		f := j.flight
		h := eventbus.Handled{
			Group: s.sub.Group, Subscriber: s.sub.Name, Event: *f.event,
			Attempt: f.past.attempts, Took: f.past.stuck, Err: err,
		}
		j.tell(func() { tell(h) })
	}
}

func (s *subscription) tellRetried(j *job, r eventbus.Retried) {
	if tell := s.bus.options.Observer.Retried; tell != nil {
		r.Group, r.Subscriber = s.sub.Group, s.sub.Name
		if e := j.flight.event; e != nil {
			r.Event = *e
		}
		j.tell(func() { tell(r) })
	}
}

func (s *subscription) tellBuried(j *job) {
	if tell := s.bus.options.Observer.Buried; tell != nil {
		b := j.flight.past.ending.told
		j.tell(func() { tell(b) })
	}
}

func (s *subscription) tellSkipped(j *job) {
	if tell := s.bus.options.Observer.Skipped; tell != nil {
		k := eventbus.Skipped{Group: s.sub.Group, Subscriber: s.sub.Name, Event: *j.flight.event}
		j.tell(func() { tell(k) })
	}
}

func (s *subscription) tellReconnected(r eventbus.Reconnected) {
	if tell := s.bus.options.Observer.Reconnected; tell != nil {
		r.Group, r.Subscriber = s.sub.Group, s.sub.Name
		s.guard(func() { tell(r) })
	}
}
