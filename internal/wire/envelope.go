package wire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// envelope collects the attributes of one event, each at most once, from either
// mode.
type envelope struct {
	event  eventbus.DomainEvent
	prefix string // how attributes are named where they come from, for errors
	seen   uint32 // by attribute
	others []string
}

// once notes that the attribute was met, and refuses the second time.
func (v *envelope) once(a attribute, name string) error {
	switch {
	case a == unknown && slices.Contains(v.others, name), v.seen&(1<<a) != 0:
		return v.refuse(name, "duplicate", "")
	case a != unknown:
		v.seen |= 1 << a
	case len(v.others) == maxEntries:
		return v.refuse(name, "at most 64 extensions", "")
	default:
		v.others = append(v.others, name)
	}
	return nil
}

func (v *envelope) has(a attribute) bool { return v.seen&(1<<a) != 0 }

// set gives the attribute its value, in CloudEvents' canonical string form.
func (v *envelope) set(a attribute, name, value string) error {
	if field := v.text(a); field != nil {
		*field = value
		return nil
	}
	var err error
	switch e := &v.event; a {
	case specversion:
		if value != specVersion {
			err = errSpecVersion
		}
	case timestamp:
		e.Time, err = parseTime(value)
	case expiryTime:
		e.Expires, err = parseTime(value)
	case aggregateVersion:
		e.AggregateVersion, err = parseNumber(value)
	case schemaVersion:
		e.SchemaVersion, err = parseInt(value)
	case metadata:
		if e.Metadata, err = parseMetadata(value); err != nil {
			return v.refuse(name, err.Error(), "") // its value may hold secrets
		}
	default:
		return v.extend(name, value)
	}
	if err != nil {
		return v.refuse(name, err.Error(), excerpt.Of(value))
	}
	return nil
}

// text returns the field of an attribute that is plain text, or nil.
func (v *envelope) text(a attribute) *string {
	switch e := &v.event; a {
	case id:
		return &e.ID
	case eventType:
		return &e.Type
	case source:
		return &e.Source
	case subject:
		return &e.AggregateID
	case dataContentType:
		return &e.ContentType
	case dataSchema:
		return &e.DataSchema
	case aggregateType:
		return &e.AggregateType
	case correlationID:
		return &e.CorrelationID
	case causationID:
		return &e.CausationID
	case tenantID:
		return &e.TenantID
	case actorID:
		return &e.ActorID
	}
	return nil
}

func (v *envelope) extend(name, value string) error {
	if fault := extensionFault(name); fault != "" {
		return v.refuse(name, fault, "")
	}
	if v.event.Extensions == nil {
		v.event.Extensions = make(map[string]string)
	}
	v.event.Extensions[name] = value
	return nil
}

// finish returns the event with its payload, once it is whole and valid.
func (v *envelope) finish(body []byte) (eventbus.DomainEvent, error) {
	e := &v.event
	for _, a := range [...]attribute{specversion, id, eventType, source} {
		if field := v.text(a); !v.has(a) || field != nil && *field == "" {
			return eventbus.DomainEvent{}, v.refuse(a.String(), "required", "")
		}
	}
	if e.AggregateType == "" {
		e.AggregateType, _, _ = strings.Cut(e.Type, ".")
	}
	if err := e.Validate(); err != nil {
		return eventbus.DomainEvent{}, fmt.Errorf("%w: %w", eventbus.ErrUndecodable, err)
	}
	if len(body) == 0 {
		return *e, nil
	}
	return e.WithData(e.ContentType, body), nil
}

func (v *envelope) refuse(name, rule, value string) error {
	return refuse(v.prefix+cut(name), rule, value)
}

// cut shortens a name from outside for an error.
func cut(name string) string {
	const limit = 64
	if len(name) > limit {
		return strings.ToValidUTF8(name[:limit], "") + "…"
	}
	return name
}

func refuse(field, rule, value string) error {
	return fmt.Errorf("%w: %w", eventbus.ErrUndecodable, &eventbus.ValidationError{Field: field, Rule: rule, Value: value})
}
