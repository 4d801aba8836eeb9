package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// held lets the flight wait for the end of a suspension, which it begins.
func (s *subscription) held(j *job, err error, delay time.Duration) {
	most := s.bus.options.Hold
	j.outcome = outcome{kind: outcomeHeld, delay: min(delay, most), retried: true}
	s.tellRetried(j, eventbus.Retried{Delay: j.outcome.delay, Clamped: delay > most, Err: err})
}

// repeat lets the flight wait for another attempt: in its lane, so that later
// events of the aggregate stay behind it, or at its group's address.
func (s *subscription) repeat(j *job, err error, delay time.Duration) {
	f := j.flight
	if s.sub.Unordered {
		s.tellRetried(j, eventbus.Retried{Attempt: f.past.attempts, Delay: delay, Err: err})
		j.outcome.retried = true
		f.own().ending = &ending{again: s.repetition(f, delay)}
		f.todo = resend
		s.resend(j)
		return
	}
	left := s.bus.options.Hold - f.past.waited
	if left <= 0 {
		s.bury(j, reasonOf(err), &heldTooLong{err, s.bus.options.Hold})
		return
	}
	clamped := delay > left
	delay = min(delay, left)
	f.own().waited += delay
	s.tellRetried(j, eventbus.Retried{Attempt: f.past.attempts, Delay: delay, Clamped: clamped, Err: err})
	j.outcome.kind, j.outcome.delay, j.outcome.retried = outcomeWaiting, delay, true
}

// heldTooLong is the error of an event that waited as long as it may.
type heldTooLong struct {
	error
	hold time.Duration
}

func (e *heldTooLong) Error() string {
	return fmt.Sprintf("%v (given up before its last attempt, since it was held for Options.Hold, %v)", e.error, e.hold)
}

func (e *heldTooLong) Unwrap() error { return e.error }

// repetition is the message of another attempt.
func (s *subscription) repetition(f *flight, delay time.Duration) Message {
	h := f.past
	facts := h.facts
	facts.Attempts, facts.First, facts.Crashes, facts.Origin = h.attempts, h.first, h.crashes, f.origin()
	m := f.Message
	m.To.Group = s.group
	m.NotBefore = s.bus.clock.Now().Add(delay)
	m.Header = facts.Append(wire.StripFacts(m.Header))
	return m
}

// resend sends the flight's message to its group again.
func (s *subscription) resend(j *job) {
	f := j.flight
	if err := s.bus.sender.move(s.settling, f.past.ending.again); err != nil {
		s.stalled(j, "an event cannot be sent to its group again", err)
		return
	}
	j.outcome.kind = outcomeMoved
}

// bury gives the flight up.
func (s *subscription) bury(j *job, reason dlq.Reason, err error) {
	f := j.flight
	now := s.bus.clock.Now()
	switch s.bus.options.DeadLetters {
	case eventbus.BlockLetters:
		s.tellRetried(j, eventbus.Retried{Attempt: f.past.attempts, Delay: s.sub.Retry.Max, Err: err})
		j.outcome.kind, j.outcome.delay, j.outcome.retried = outcomeWaiting, s.sub.Retry.Max, true
	case eventbus.DropLetters:
		f.own().ending = f.burial(&s.sub, reason, err, now)
		f.past.ending.told.LetterID = ""
		s.bus.notices.warn("an event was dropped (Options.DeadLetters)", s.group, failure(err),
			slog.String("event_type", f.past.ending.told.Event.Type), slog.String("event_id", f.past.ending.told.Event.ID))
		j.outcome.kind = outcomeBuried
		s.tellBuried(j)
	default:
		f.own().ending = f.burial(&s.sub, reason, err, now)
		f.todo = inter
		s.inter(j)
	}
}

// inter stores the flight's letter.
func (s *subscription) inter(j *job) {
	f := j.flight
	if err := s.bus.backend.Letters.Put(s.settling, f.past.ending.letter); err != nil {
		what := "a dead letter cannot be stored"
		if errors.Is(err, dlq.ErrFull) {
			what = "the dead letters are full: replay, discard or purge some"
		}
		s.stalled(j, what, err)
		return
	}
	j.outcome.kind = outcomeBuried
	s.tellBuried(j)
}

// stalled lets the flight wait until the backend may take it.
func (s *subscription) stalled(j *job, what string, err error) {
	f := j.flight
	h := f.own()
	h.failures++
	j.outcome.kind, j.outcome.delay = outcomeWaiting, s.bus.pauseAfter(h.failures)
	j.outcome.trouble = fmt.Errorf("%s: %w", what, err)
	if s.settling.Err() == nil {
		s.bus.notices.warn("an event stays unsettled for now", s.group, failure(j.outcome.trouble))
	}
}
