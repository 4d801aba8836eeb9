package engine

import (
	"context"
	"errors"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// verdict says what becomes of an event after an attempt.
type verdict int

const (
	ack     verdict = iota // it was handled
	retry                  // another attempt, after the delay
	hold                   // another attempt, after the delay, and this one does not count
	bury                   // it is given up
	unknown                // its type has no case in the handler
)

// decide is the rule of retries: what follows from the error of an attempt, counted
// from 1. roll is a random number in [0,1).
func decide(p eventbus.RetryPolicy, attempt int, err error, roll float64) (verdict, time.Duration) {
	if err == nil {
		return ack, 0
	}
	var suspend *eventbus.SuspendError
	var after *eventbus.RetryAfterError
	var panicked *eventbus.PanicError
	switch {
	case errors.As(err, &panicked): // an error like others: what it wraps steers nothing
		if attempt >= p.Attempts {
			return bury, 0
		}
		return retry, p.Delay(attempt, roll)
	case errors.As(err, &suspend):
		return hold, suspend.Delay
	case errors.Is(err, eventbus.ErrUnknownType):
		return unknown, 0
	case eventbus.IsPermanent(err), errors.Is(err, eventbus.ErrUndecodable), attempt >= p.Attempts:
		return bury, 0
	case errors.As(err, &after):
		return retry, after.Delay
	}
	return retry, p.Delay(attempt, roll)
}

// reasonOf says under which reason an event is buried for its last error.
func reasonOf(err error) dlq.Reason {
	var panicked *eventbus.PanicError
	switch {
	case errors.As(err, &panicked):
		return dlq.Panic
	case errors.Is(err, eventbus.ErrTimeout):
		return dlq.Timeout
	case errors.Is(err, eventbus.ErrUnknownType):
		return dlq.UnknownType
	case errors.Is(err, eventbus.ErrUndecodable):
		return dlq.Undecodable
	}
	return dlq.HandlerError
}

// unreadable says under which reason a message is buried that could not be read.
func unreadable(err error) dlq.Reason {
	if errors.Is(err, eventbus.ErrTooLarge) {
		return dlq.TooLarge
	}
	return dlq.Undecodable
}

// interrupted reports whether the handler's context ended for a reason that is not
// its own: what it returned then is no attempt.
func interrupted(cause error) bool { return errors.Is(cause, eventbus.ErrInterrupted) }

// timedOut is the error of a handler that returned after its time-out.
func timedOut(err error, after time.Duration) error {
	return &timeoutError{err: err, after: after}
}

type timeoutError struct {
	err   error
	after time.Duration
}

func (e *timeoutError) Error() string {
	s := eventbus.ErrTimeout.Error() + " after " + e.after.String()
	if e.err != nil && !errors.Is(e.err, context.DeadlineExceeded) {
		s += ": " + e.err.Error()
	}
	return s
}

func (e *timeoutError) Unwrap() []error { return []error{eventbus.ErrTimeout, e.err} }
