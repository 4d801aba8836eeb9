package eventbus

import (
	"maps"
	"time"

	"github.com/seed-28af575d/eventbus/internal/ident"
)

// DomainEvent is the envelope around one thing that happened to one aggregate.
//
// It is a value: copy it freely. Its payload, bytes and maps are immutable once
// the event is made, and so may be read from many goroutines; the With methods
// return changed copies. On the wire it is a CloudEvent.
type DomainEvent struct {
	ID               string            // unique; at most 200 bytes. New and Publish set a UUIDv7 where it is empty
	Type             string            // "order.created": the full name, a contract that is never renamed
	Source           string            // URI reference of the producer; Publish sets Options.Source where it is empty
	AggregateType    string            // first word of Type unless said otherwise; names the topic
	AggregateID      string            // what the event is about; events of one aggregate are ordered, an empty ID is not
	AggregateVersion int64             // position within the aggregate, from 1; 0 is unset
	SchemaVersion    int               // version of the payload's schema, from 1; New sets 1, 0 is unset
	DataSchema       string            // URI of the payload's schema, if there is one
	Time             time.Time         // when it happened, UTC; Publish sets now where it is zero
	CorrelationID    string            // the conversation that it belongs to
	CausationID      string            // the message that caused it
	TenantID         string            // whose data it is
	ActorID          string            // who did it
	ContentType      string            // media type of the payload's bytes
	Expires          time.Time         // after it the event is not handled but buried as expired; zero: never
	Metadata         map[string]string // the application's own headers; keys of [a-z0-9._-]
	Extensions       map[string]string // CloudEvents extension attributes that have no field here; keys of [a-z0-9]

	*body // what the event tells; nil where there is nothing
}

// EventTyper is implemented by payload types: it names their event type.
//
// The name is either full ("order.created") or, on a payload that is also an
// [AggregateTyper], without the aggregate type ("created"). It must be the same
// for every value of the type.
type EventTyper interface{ EventType() string }

// AggregateTyper is implemented by payload types whose aggregate type is not
// the first word of their event type, or whose event type leaves it out.
type AggregateTyper interface{ AggregateType() string }

// New makes the event that payload tells about the aggregate. The payload is
// encoded as JSON once, here, and must not be changed afterwards. What is wrong
// with it is returned by Publish, so that New can be chained.
func New(aggregateID string, payload EventTyper) DomainEvent {
	name, aggregate, err := payloadNames(payload)
	e := Named(name, aggregateID, payload)
	if aggregate != "" {
		e.AggregateType = aggregate
	}
	if err != nil {
		e.err = err
	}
	return e
}

// Named makes an event by the full name of its type, for payloads without a Go
// type of their own, such as a map. The payload is encoded as JSON.
func Named(eventType, aggregateID string, payload any) DomainEvent {
	data, err := encodePayload(payload)
	e := NewRaw(eventType, aggregateID, contentTypeJSON, data)
	e.SchemaVersion = 1
	e.value, e.checked = payload, contentTypeJSON
	if err != nil {
		e.err = err
	}
	return e
}

// NewRaw makes an event from bytes that are encoded already. They are not
// copied and must not be changed afterwards. Publish checks that they are JSON
// where the content type says so.
func NewRaw(eventType, aggregateID, contentType string, data []byte) DomainEvent {
	return DomainEvent{
		ID:            ident.New(),
		Type:          eventType,
		AggregateType: firstWord(eventType),
		AggregateID:   aggregateID,
		Time:          time.Now().UTC(),
		ContentType:   contentType,
		body:          &body{data: data},
	}
}

// WithData returns a copy whose payload is data, as bytes of the content type.
func (e DomainEvent) WithData(contentType string, data []byte) DomainEvent {
	e.ContentType, e.body = contentType, &body{data: data}
	return e
}

// CausedBy returns a copy that names cause as its cause, joins its
// conversation, and takes over tenant and actor where it has none.
func (e DomainEvent) CausedBy(cause DomainEvent) DomainEvent {
	e.CausationID = cause.ID
	e.CorrelationID = firstOf(cause.CorrelationID, cause.ID)
	e.TenantID = firstOf(e.TenantID, cause.TenantID)
	e.ActorID = firstOf(e.ActorID, cause.ActorID)
	return e
}

// WithID returns a copy with an ID of the caller's, for example a command's.
func (e DomainEvent) WithID(id string) DomainEvent { e.ID = id; return e }

// WithVersion returns a copy with the aggregate's version, from 1.
func (e DomainEvent) WithVersion(version int64) DomainEvent { e.AggregateVersion = version; return e }

// WithCorrelation returns a copy that belongs to the conversation.
func (e DomainEvent) WithCorrelation(id string) DomainEvent { e.CorrelationID = id; return e }

// WithTenant returns a copy that belongs to the tenant.
func (e DomainEvent) WithTenant(id string) DomainEvent { e.TenantID = id; return e }

// WithActor returns a copy that names who did it.
func (e DomainEvent) WithActor(id string) DomainEvent { e.ActorID = id; return e }

// WithTime returns a copy that happened at t.
func (e DomainEvent) WithTime(t time.Time) DomainEvent { e.Time = t.UTC(); return e }

// WithExpiry returns a copy that is not handled after t.
func (e DomainEvent) WithExpiry(t time.Time) DomainEvent { e.Expires = t.UTC(); return e }

// WithMetadata returns a copy with one more header of the application's.
func (e DomainEvent) WithMetadata(key, value string) DomainEvent {
	e.Metadata = with(e.Metadata, key, value)
	return e
}

// WithExtension returns a copy with one more CloudEvents extension attribute.
func (e DomainEvent) WithExtension(name, value string) DomainEvent {
	e.Extensions = with(e.Extensions, name, value)
	return e
}

func with(m map[string]string, key, value string) map[string]string {
	out := make(map[string]string, len(m)+1)
	maps.Copy(out, m)
	out[key] = value
	return out
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
