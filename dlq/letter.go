package dlq

import (
	"errors"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Reason says why an event was buried.
type Reason string

// The reasons.
const (
	HandlerError Reason = "handler error"
	Panic        Reason = "panic"
	Timeout      Reason = "timeout"
	Undecodable  Reason = "undecodable"
	UnknownType  Reason = "unknown type"
	TooLarge     Reason = "too large"
	Expired      Reason = "expired"
	Crashed      Reason = "crashed"
)

// Header is one header of a message as it travelled.
type Header struct{ Name, Value string }

// Letter is a dead event of one subscriber, with what is known of its failure.
type Letter struct {
	// ID derives from group, subscriber, event ID, origin position and replay
	// count: burying one delivery twice makes one letter.
	ID                string
	Group, Subscriber string
	Reason            Reason
	Errors            []string // the error's chain, outermost first; at most 4 KiB in all
	Stack             string   // of a panic
	Attempts, Crashes int
	FirstFailure      time.Time
	LastFailure       time.Time
	BuriedAt          time.Time
	Origin            string // where the event was first read: source and position
	Replays           int    // how often it was replayed before
	Topic             string

	// EventID to TenantID are copied out of the message where it could be read.
	EventID, Type, AggregateType, AggregateID, TenantID string

	Headers []Header // of the message, byte for byte
	Body    []byte   // of the message, byte for byte
	// Event is the message decoded; the zero event where it is undecodable.
	Event eventbus.DomainEvent
}

// Errors to match with errors.Is.
var (
	// ErrNotFound means that there is no such letter (any more).
	ErrNotFound = errors.New("dead letter not found")
	// ErrTaken means that another caller is replaying the letter.
	ErrTaken = errors.New("dead letter is being replayed by another caller")
	// ErrReplayBound means that the letter was replayed too often already.
	ErrReplayBound = errors.New("dead letter was replayed too often; Force overrides the bound")
	// ErrFull means that the store has no room for another letter.
	ErrFull = errors.New("dead letters are full")
)
