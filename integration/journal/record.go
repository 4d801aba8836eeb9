package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// What says what a record tells of.
type What string

const (
	// Attempted is a publish that is about to be made.
	Attempted What = "attempted"
	// Published is a publish that returned nil for this event.
	Published What = "published"
	// Refused is a publish that certainly stored nothing of this event.
	Refused What = "refused"
	// Unknown is a publish that may have stored this event.
	Unknown What = "unknown"
	// Begun is an attempt to handle that is about to begin.
	Begun What = "begun"
	// Handled is an attempt that returned nil.
	Handled What = "handled"
	// Failed is an attempt that returned an error, or panicked.
	Failed What = "failed"
)

func (w What) known() bool {
	switch w {
	case Attempted, Published, Refused, Unknown, Begun, Handled, Failed:
		return true
	}
	return false
}

// Record is one thing that happened to one event. It is a value.
type Record struct {
	What          What   `json:"what"`
	EventID       string `json:"id"`
	EventType     string `json:"type"`
	AggregateType string `json:"aggregate_type,omitempty"`
	AggregateID   string `json:"aggregate,omitempty"`
	// Seq is the place of the event within its aggregate, where its publisher knows it: the
	// event's AggregateVersion, else what the publisher counts. Zero means not known.
	Seq int64 `json:"seq,omitempty"`
	// Counter names the publisher that counted Seq, which says nothing about the events of
	// others. Empty means that Seq is the event's AggregateVersion.
	Counter string `json:"counter,omitempty"`
	// Sum is the checksum of the payload's bytes.
	Sum         string `json:"sum"`
	ContentType string `json:"content_type,omitempty"`
	// Subscriber is "<group>.<name>"; empty for publishers.
	Subscriber string `json:"subscriber,omitempty"`
	Attempt    int    `json:"attempt,omitempty"` // from 1
	Replays    int    `json:"replays,omitempty"` // how often it came back from the dead letters
	Err        string `json:"err,omitempty"`
	Worker     string `json:"worker"`
	PID        int    `json:"pid"`
	// Began is when the attempt began of which the end is told; zero in other records. In
	// nanoseconds since 1970, as Time.
	Began int64 `json:"began,omitempty"`
	// Time is when it happened.
	Time int64 `json:"time"`
}

// At returns Time as a time.
func (r Record) At() time.Time { return time.Unix(0, r.Time) }

// Sum returns the checksum of a payload, as records have it.
func Sum(data []byte) string {
	const enough = 16 // bytes of a SHA-256
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:enough])
}

// about returns a record of what happened to the event.
func about(what What, e *eventbus.DomainEvent) Record {
	r := Record{
		What: what, EventID: e.ID, EventType: e.Type,
		AggregateType: e.AggregateType, AggregateID: e.AggregateID, Seq: e.AggregateVersion,
		Sum: Sum(e.Data()), ContentType: e.ContentType,
	}
	if r.AggregateType == "" { // as Publish does
		r.AggregateType, _, _ = strings.Cut(e.Type, ".")
	}
	return r
}

// because returns the record with the error's text, of which the beginning is enough.
func (r Record) because(err error) Record {
	const most = 300
	if err != nil {
		r.Err = err.Error()
	}
	if len(r.Err) > most {
		r.Err = strings.ToValidUTF8(r.Err[:most], "") + "…"
	}
	return r
}

// validate says what is missing in a record that was read.
func (r Record) validate() error {
	switch {
	case !r.What.known():
		return fmt.Errorf("what %q is none that a journal writes", r.What)
	case r.EventID == "", r.EventType == "", r.Sum == "", r.Worker == "", r.PID == 0, r.Time == 0:
		return fmt.Errorf("%s without one of id, type, sum, worker, pid and time", r.What)
	case r.What.handler() && r.Subscriber == "":
		return fmt.Errorf("%s of event %s without a subscriber", r.What, r.EventID)
	}
	return nil
}

func (w What) handler() bool { return w == Begun || w == Handled || w == Failed }
