package eventbus

import "time"

// Observer is a set of functions that are told what happens; nil ones are not
// called. They run in the bus's goroutines, often several at once, and must
// return quickly: a worker waits for them. A panic in one is logged and changes
// nothing else; Published runs in the publisher's goroutine, as part of its call.
type Observer struct {
	Published   func(Published)
	Handled     func(Handled)
	Retried     func(Retried)
	Buried      func(Buried)
	Skipped     func(Skipped)
	Reconnected func(Reconnected)
}

// Published tells the outcome of one event of a Publish.
type Published struct {
	Event DomainEvent
	Err   error // nil: stored
}

// Handled tells the end of one attempt.
type Handled struct {
	Group, Subscriber string
	Event             DomainEvent
	Attempt           int
	Took              time.Duration
	Err               error // nil: handled
}

// Retried tells that an event waits for another attempt.
type Retried struct {
	Group, Subscriber string
	Event             DomainEvent
	Attempt           int // the one that failed; 0 where Suspend counted none
	Delay             time.Duration
	Clamped           bool // RetryAfter asked for more than Options.Hold left
	Err               error
}

// Buried tells that an event was given up.
type Buried struct {
	Group, Subscriber string
	Event             DomainEvent // as far as it could be decoded
	LetterID          string      // "" where letters are dropped
	Reason            string      // as in dlq.Reason
	Attempts          int
	Stuck             bool // the handler had not returned: its goroutine is lost
	Err               error
}

// Skipped tells that an event was acknowledged without being handled.
type Skipped struct {
	Group, Subscriber string
	Event             DomainEvent
}

// Reconnected tells that a lost connection or source is back: receiving and acknowledging each
// tell for themselves. A connection that is replaced before anything fails over it is not told.
type Reconnected struct {
	Group, Subscriber string // "" for the publishing side
	Tries             int
	Down              time.Duration
	Err               error // what ended it
}

// Tee returns an observer that tells each of the given ones in turn.
func Tee(observers ...Observer) Observer {
	var t Observer
	for _, o := range observers {
		t.Published = tee(t.Published, o.Published)
		t.Handled = tee(t.Handled, o.Handled)
		t.Retried = tee(t.Retried, o.Retried)
		t.Buried = tee(t.Buried, o.Buried)
		t.Skipped = tee(t.Skipped, o.Skipped)
		t.Reconnected = tee(t.Reconnected, o.Reconnected)
	}
	return t
}

func tee[T any](a, b func(T)) func(T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v T) { a(v); b(v) }
}
