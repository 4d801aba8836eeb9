package dlq

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Letter is a dead event of one subscriber, with what is known of its failure.
//
// It never changes once it is stored. Copies share their slices: nobody writes to
// them. As JSON it is there to be shown, with the body in base64; headers that are
// not UTF-8 do not survive the way back.
type Letter struct {
	// ID derives from group, subscriber, event ID, origin position and replay
	// count ([NewID]): burying one delivery twice makes one letter.
	ID         string `json:"id"`
	Group      string `json:"group"`      // the service group
	Subscriber string `json:"subscriber"` // its name within the group

	Reason       Reason    `json:"reason"`
	Errors       []string  `json:"errors,omitempty"` // the error's chain, outermost first; at most 4 KiB in all
	Stack        string    `json:"stack,omitempty"`  // of a panic
	Attempts     int       `json:"attempts"`
	Crashes      int       `json:"crashes"`
	FirstFailure time.Time `json:"first_failure,omitzero"`
	LastFailure  time.Time `json:"last_failure,omitzero"`
	BuriedAt     time.Time `json:"buried_at,omitzero"`

	Origin  string `json:"origin"`  // where the event was first read: source and position
	Replays int    `json:"replays"` // how often it was replayed before
	Topic   string `json:"topic"`

	// EventID to TenantID are copied out of the message where it could be read.
	EventID       string `json:"event_id,omitempty"`
	Type          string `json:"type,omitempty"`
	AggregateType string `json:"aggregate_type,omitempty"`
	AggregateID   string `json:"aggregate_id,omitempty"`
	TenantID      string `json:"tenant_id,omitempty"`

	Headers []Header `json:"headers,omitempty"` // of the message, byte for byte
	Body    []byte   `json:"body"`              // of the message, byte for byte
	// Event is the message decoded; the zero event where it is undecodable.
	Event eventbus.DomainEvent `json:"-"`
}

// NewID returns the ID of a letter: 32 hexadecimal digits that depend on every
// argument and on nothing else. An event that is buried twice from one delivery
// has one ID; a replay that fails again has another.
func NewID(group, subscriber, eventID, origin string, replays int) string { //nolint:revive // five plain facts, in the order of the ID's definition
	var b []byte
	for _, s := range []string{group, subscriber, eventID, origin} {
		b = binary.AppendUvarint(b, uint64(len(s))) // or "a","bc" would be "ab","c"
		b = append(b, s...)
	}
	b = binary.AppendVarint(b, int64(replays))
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
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
