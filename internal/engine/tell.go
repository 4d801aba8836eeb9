package engine

import "github.com/seed-28af575d/eventbus"

// The observer's functions are called without the lock, by the worker.

func (s *subscription) tellHandled(j *job, err error) {
	tell := s.bus.options.Observer.Handled
	if tell == nil {
		return
	}
	tell(eventbus.Handled{
		Group: s.sub.Group, Subscriber: s.sub.Name, Event: *j.flight.event,
		Attempt: int(j.attempt.number), Took: s.bus.clock.Now().Sub(j.now), Err: err,
	})
}

func (s *subscription) tellStuck(f *flight, err error) {
	if tell := s.bus.options.Observer.Handled; tell != nil {
		tell(eventbus.Handled{
			Group: s.sub.Group, Subscriber: s.sub.Name, Event: *f.event,
			Attempt: f.past.attempts, Took: f.past.stuck, Err: err,
		})
	}
}

func (s *subscription) tellRetried(f *flight, r eventbus.Retried) {
	tell := s.bus.options.Observer.Retried
	if tell == nil {
		return
	}
	r.Group, r.Subscriber = s.sub.Group, s.sub.Name
	if f.event != nil {
		r.Event = *f.event
	}
	tell(r)
}

func (s *subscription) tellBuried(f *flight) {
	if tell := s.bus.options.Observer.Buried; tell != nil {
		tell(f.past.ending.told)
	}
}

func (s *subscription) tellSkipped(f *flight) {
	if tell := s.bus.options.Observer.Skipped; tell != nil {
		tell(eventbus.Skipped{Group: s.sub.Group, Subscriber: s.sub.Name, Event: *f.event})
	}
}

func (s *subscription) tellReconnected(r eventbus.Reconnected) {
	if tell := s.bus.options.Observer.Reconnected; tell != nil {
		r.Group, r.Subscriber = s.sub.Group, s.sub.Name
		tell(r)
	}
}
