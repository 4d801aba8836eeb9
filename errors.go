package eventbus

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Sentinels to match with errors.Is.
var (
	// ErrInvalid is matched by every refusal of bad input, made before any I/O.
	ErrInvalid = errors.New("invalid")
	// ErrTooLarge is matched by the refusal of an event above Options.MaxBytes.
	ErrTooLarge = errors.New("too large")
	// ErrClosed is returned once Shutdown has begun.
	ErrClosed = errors.New("bus is closed")
	// ErrStarted is returned by a second Start.
	ErrStarted = errors.New("bus has been started already")
	// ErrDuplicate is matched by the second subscription under one name.
	ErrDuplicate = errors.New("already subscribed")
	// ErrFull means that a bounded backend had no room in time; nothing was stored.
	ErrFull = errors.New("full")
	// ErrRefused is matched by every event that certainly was not stored.
	ErrRefused = errors.New("refused")
	// ErrHeldBack is matched by every event that was fine and was not sent, as another
	// one of the same call is invalid. It comes with ErrRefused.
	ErrHeldBack = errors.New("not sent, as another event of the call is invalid")
	// ErrUnknown is matched by every event that may or may not have been stored.
	ErrUnknown = errors.New("outcome unknown")
	// ErrUndecodable means that bytes could not be read as what they should be.
	ErrUndecodable = errors.New("undecodable")
	// ErrUnknownType means that a subscriber's handler has no case for the type.
	ErrUnknownType = errors.New("no handler for this event type")
	// ErrTimeout is the cause of a handler's context whose attempt took too long.
	ErrTimeout = errors.New("handler timed out")
	// ErrInterrupted is the cause of a handler's context that Stop, Shutdown or a
	// lost lease ended. What a handler returns then does not count as an attempt.
	ErrInterrupted = errors.New("handler interrupted")
	// ErrUnfinished is matched by Stop and Shutdown that ended before the handlers.
	ErrUnfinished = errors.New("unfinished")
)

// ValidationError says which field of an input breaks which rule. It matches
// [ErrInvalid]. Several are joined with errors.Join.
type ValidationError struct {
	Field string // as it is written: "aggregate_id", "retry.attempts"
	Rule  string
	Value string // quoted and cut to 64 bytes; never a secret
	Err   error  // what lies beneath, or nil
}

func (e *ValidationError) Error() string {
	s := e.Field + ": " + e.Rule
	if e.Value != "" {
		s += " (got " + e.Value + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is reports whether target is ErrInvalid.
func (e *ValidationError) Is(target error) bool { return target == ErrInvalid }

// Unwrap returns what lies beneath.
func (e *ValidationError) Unwrap() error { return e.Err }

// TooLargeError says how large an event is and how large it may be, in bytes of
// payload and headers as encoded. It matches [ErrTooLarge] and [ErrInvalid].
type TooLargeError struct{ Size, Limit int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("too large: %d bytes, at most %d are allowed", e.Size, e.Limit)
}

// Is reports whether target is ErrTooLarge or ErrInvalid.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge || target == ErrInvalid }

// PublishError names the events of a Publish that failed, in the order given.
// Those that are not in it were stored.
type PublishError struct {
	Total  int // events in the call
	Failed []EventError
}

// EventError is the outcome of one event: it matches [ErrRefused] when the event
// certainly was not stored, [ErrUnknown] when it may have been.
type EventError struct {
	Index    int // in the call
	ID, Type string
	Err      error
}

func (e EventError) Error() string {
	return fmt.Sprintf("event %d, %s %s: %v", e.Index, e.Type, e.ID, e.Err)
}

// Unwrap returns the cause.
func (e EventError) Unwrap() error { return e.Err }

func (e *PublishError) Error() string {
	const shown = 3
	var b strings.Builder
	if e.Total == 1 && len(e.Failed) == 1 {
		return fmt.Sprintf("eventbus: publish %s: %v", e.Failed[0].Type, e.Failed[0].Err)
	}
	fmt.Fprintf(&b, "eventbus: publish: %d of %d events failed", len(e.Failed), e.Total)
	told := 0
	for _, f := range e.Failed {
		if told == shown {
			break
		}
		if !errors.Is(f.Err, ErrHeldBack) { // what is wrong comes from the others
			b.WriteString("; " + f.Error())
			told++
		}
	}
	if more := len(e.Failed) - told; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

// Unwrap returns the outcomes, so that errors.Is and errors.As find any of them.
func (e *PublishError) Unwrap() []error {
	out := make([]error, len(e.Failed))
	for i := range e.Failed {
		out[i] = e.Failed[i]
	}
	return out
}

// UnfinishedError names what was still being handled when Stop or Shutdown ran
// out of time. It matches [ErrUnfinished].
type UnfinishedError struct{ Handling []Unfinished }

// Unfinished is one event that a handler has not finished.
type Unfinished struct {
	Group, Subscriber string
	EventID, Type     string // empty where handlers run in their publisher's goroutine
	Since             time.Time
}

func (e *UnfinishedError) Error() string {
	var b strings.Builder
	b.WriteString("eventbus: unfinished when the time was up:")
	for i, u := range e.Handling {
		if i == 10 {
			fmt.Fprintf(&b, " and %d more", len(e.Handling)-i)
			break
		}
		if u.EventID == "" { // not known, as in handlers that run in a publisher's goroutine
			fmt.Fprintf(&b, " %s.%s is handling an event;", u.Group, u.Subscriber)
			continue
		}
		fmt.Fprintf(&b, " %s.%s is handling %s %s;", u.Group, u.Subscriber, u.Type, u.EventID)
	}
	return strings.TrimSuffix(b.String(), ";")
}

// Is reports whether target is ErrUnfinished.
func (e *UnfinishedError) Is(target error) bool { return target == ErrUnfinished }

// PanicError is what a panic of a handler becomes.
type PanicError struct {
	Value any
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.Value) }

// Unwrap returns the panic's value where it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func invalid(field, rule, value string) error {
	return &ValidationError{Field: field, Rule: rule, Value: value}
}
