package engine

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// outcome is what a worker has come to with a flight.
type outcome struct {
	kind    outcomeKind
	delay   time.Duration // before the next try
	counted bool          // a handler call ended that counts as an attempt
	failed  bool          // and failed
	retried bool          // another attempt follows
	trouble error         // why the backend did not take a letter or a move
}

type outcomeKind int

const (
	outcomeHandled   outcomeKind = iota
	outcomeSkipped               // no business of the handler's
	outcomeMoved                 // sent to its group again
	outcomeBuried                // or dropped
	outcomeWaiting               // for another try
	outcomeHeld                  // for the end of a suspension
	outcomeLeft                  // interrupted: it is given back
	outcomeAbandoned             // it is in other hands
)

// settled reports whether the flight is to be acknowledged.
func (o *outcome) settled() bool { return o.kind <= outcomeBuried }

// do brings the job's flight one step further. It runs without the lock.
func (s *subscription) do(j *job) {
	switch j.flight.todo {
	case inter:
		s.inter(j)
	case resend:
		s.resend(j)
	case giveUp:
		s.giveUpStuck(j)
	default:
		if s.prepare(j) {
			j.calling = true
			err := s.call(j)
			j.calling = false
			s.conclude(j, err)
		}
		j.attempt.context.end(errReturned)
	}
}

// prepare reads the message, and reports whether the handler is to be called.
func (s *subscription) prepare(j *job) bool {
	f := j.flight
	if f.event == nil {
		if err := f.decode(); err != nil {
			s.bury(j, unreadable(err), err)
			return false
		}
		routed := s.bus.backend.Traits.Routed && f.Type != "" || f.To.Group != ""
		if !routed && !s.wants(f.event.Type) {
			j.outcome.kind = outcomeSkipped
			s.tellSkipped(j)
			return false
		}
	}
	if e := f.event; !e.Expires.IsZero() && !s.bus.clock.Now().Before(e.Expires) {
		s.bury(j, dlq.Expired, expired(e))
		return false
	}
	if f.past.crashes >= maxCrashes {
		s.bury(j, dlq.Crashed, fmt.Errorf("the process died %d times while it handled this event alone", f.past.crashes))
		return false
	}
	if f.careful {
		s.suspect(f)
		s.beginAgain(j)
	}
	c := j.attempt.context
	c.number, c.replays = int32(f.past.attempts+1), int32(f.past.facts.Replays)
	return true
}

func expired(e *eventbus.DomainEvent) error {
	return fmt.Errorf("the event expired at %s", e.Expires.Format(time.RFC3339Nano))
}

// decode reads the envelope.
func (f *flight) decode() error {
	switch {
	case f.Err != nil:
		return f.Err
	case f.Event != nil:
		f.event = f.Event
		return nil
	}
	e, err := wire.Decode(f.Header, f.Body)
	if err != nil {
		return err
	}
	f.event = &e
	return nil
}

// call runs the handler once and returns its error, a panic being one.
func (s *subscription) call(j *job) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r, string(debug.Stack()))
		}
	}()
	e := *j.flight.event
	// From here on the flight may be taken away: nothing of it is read any more.
	j.attempt.event.Store(j.flight.event)
	return readable(s.handler.Handle(j.attempt.context, e))
}

// panicked is the error of a panic, also of one with an error that panics itself when
// it is read.
func panicked(value any, stack string) (err error) {
	defer func() {
		if recover() != nil {
			err = &eventbus.PanicError{Value: fmt.Sprintf("a %T that cannot be read", value), Stack: stack}
		}
	}()
	return readable(&eventbus.PanicError{Value: value, Stack: stack})
}

// readable returns the error. One that cannot be read, such as a nil pointer, panics
// here, as its handler's fault, and not where it is read later.
func readable(err error) error {
	if err != nil {
		decide(eventbus.RetryPolicy{}, 1, err, 0)
		reasonOf(err)
		chain(err)
	}
	return err
}

// conclude decides what follows from the end of the handler call.
func (s *subscription) conclude(j *job, err error) {
	cause := j.attempt.context.close()
	switch {
	case cause != nil && s.tookAway(j.attempt):
		j.outcome.kind = outcomeAbandoned
	case err == nil:
		j.outcome.counted = true
		s.tellHandled(j, nil)
	case interrupted(cause):
		j.outcome.kind = outcomeLeft
	case cause != nil:
		s.failed(j, timedOut(err, s.sub.Timeout))
	default:
		s.failed(j, err)
	}
	if j.outcome.kind != outcomeAbandoned && j.flight.careful {
		s.acquit(j.flight)
	}
}

// tookAway reports whether the attempt was abandoned; if it was not, it cannot be
// any more.
func (s *subscription) tookAway(a *attempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.leave()
	return a.abandoned
}

// failed decides what becomes of a flight whose attempt failed.
func (s *subscription) failed(j *job, err error) {
	f := j.flight
	what, delay := decide(s.sub.Retry, f.past.attempts+1, err, s.bus.dice.roll())
	switch {
	case what == hold:
		s.held(j, err, delay)
		return
	case what == unknown && s.sub.Unmatched == eventbus.SkipUnmatched:
		j.outcome.kind = outcomeSkipped
		s.tellSkipped(j)
		return
	}
	f.fail(s.bus.clock.Now())
	j.outcome.counted, j.outcome.failed = true, true
	s.tellHandled(j, err)
	if what == retry {
		s.repeat(j, err, delay)
		return
	}
	s.bury(j, reasonOf(err), err)
}

// count adds the outcome to the counters. The lock is held.
func (s *subscription) count(o *outcome) {
	if o.counted {
		s.stats.Attempts++
	}
	if o.failed {
		s.stats.Failed++
	}
	if o.retried {
		s.stats.Retried++
	}
	switch o.kind {
	case outcomeHandled:
		s.stats.Handled++
	case outcomeSkipped:
		s.stats.Skipped++
	case outcomeMoved:
		s.stats.Moved++
		s.trouble = nil
	case outcomeBuried:
		s.stats.Buried++
		s.trouble = nil
	default:
		if o.trouble != nil {
			s.trouble = o.trouble
		}
	}
}
