package eventbus

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/shape"
)

// Publication declares an event type that a program publishes, for its
// [Catalogue]. [Publishes] and [PublishesNamed] make it; it is a value, and the With
// methods return changed copies. What is wrong with it is said by [NewCatalogue].
type Publication struct {
	event   CatalogueEvent
	payload reflect.Type // nil where it has no Go type
	err     error
}

// PayloadField is one member of a payload in JSON.
type PayloadField struct {
	// Name is the way to it: "items[].sku" lies in each element of the array items,
	// "prices.*.net" in each value of the object prices, whose keys are free.
	Name string
	// Type is what JSON makes of it: string, integer, number, boolean, object, any,
	// "array of string", "object of number" (free keys), "string (time)", and "… or
	// null" where a field that is a pointer may be nil. A nil slice or map is null too,
	// and so are nil pointers within slices and maps.
	Type string
	// Optional says that it may be left out, as omitempty and omitzero have it.
	Optional bool
	// Doc is what its struct tag doc says, as in `json:"total" doc:"in cents"`.
	Doc string
}

const (
	maxPurposeBytes = 1024
	maxFieldBytes   = 1024
)

// Publishes declares that events with the payload T are published, and why: the
// purpose is a sentence for those who may subscribe. The event type comes from T, as
// for [New]; the fields are those that encoding/json writes of it.
func Publishes[T EventTyper](purpose string) Publication {
	t := reflect.TypeFor[T]()
	p := published(purpose)
	p.payload, p.event.GoType = t, t.String()
	if k := t.Kind(); k == reflect.Interface || k == reflect.Pointer {
		p.err = invalid("payload", "must be a value type, neither pointer nor interface", t.String())
		return p
	}
	var zero T
	name, aggregate, err := payloadNames(zero)
	p.event.Type, p.event.AggregateType, p.err = name, firstOf(aggregate, firstWord(name)), err
	s, err := shape.Of(t)
	if err != nil && p.err == nil {
		p.err = &ValidationError{Field: "payload", Rule: "must be encodable as JSON", Value: t.String(), Err: err}
	}
	p.event.Payload = s.Form
	for _, f := range s.Fields {
		p.event.Fields = append(p.event.Fields, PayloadField(f))
	}
	return p
}

// PublishesNamed declares an event type whose payload has no Go type of its own, as
// [Named] and [NewRaw] publish it. Its fields are what the caller says, if anything.
func PublishesNamed(eventType, purpose string, fields ...PayloadField) Publication {
	p := published(purpose)
	p.event.Type, p.event.AggregateType = eventType, firstWord(eventType)
	p.event.Payload = "any"
	if len(fields) > 0 {
		p.event.Payload = "object"
	}
	p.event.Fields = append(p.event.Fields, fields...)
	return p
}

func published(purpose string) Publication {
	return Publication{event: CatalogueEvent{Purpose: oneLine(purpose), SchemaVersion: 1}}
}

// WithSource returns a copy whose events have a source of their own, instead of
// [CatalogueOptions].Source.
func (p Publication) WithSource(source string) Publication { p.event.Source = source; return p }

// WithSchemaVersion returns a copy whose payload has the version, from 1; it is 1
// unless said otherwise.
func (p Publication) WithSchemaVersion(version int) Publication {
	p.event.SchemaVersion = version
	return p
}

// listed returns the event as the catalogue has it, and what is wrong with it.
func (p Publication) listed(source string) (CatalogueEvent, error) {
	e := p.event
	errs := []error{p.err}
	if p.err == nil {
		errs = checkType(e.Type)
		if len(errs) == 0 && (!isWord(e.AggregateType) || len(e.AggregateType) > maxTypeBytes) {
			errs = append(errs, invalid("aggregate_type", "must be one word of [A-Za-z0-9_-]", excerpt.Of(e.AggregateType)))
		}
	}
	if e.Purpose == "" {
		errs = append(errs, invalid("purpose", "required: say what the event tells, to those who may subscribe", ""))
	} else if !isText(e.Purpose, maxPurposeBytes) {
		errs = append(errs, invalid("purpose", "must be at most 1024 bytes of UTF-8 without control characters", excerpt.Of(e.Purpose)))
	}
	if !isText(e.Source, maxSourceBytes) {
		errs = append(errs, invalid("source", "must be at most 1024 bytes of UTF-8 without control characters", excerpt.Of(e.Source)))
	}
	if e.SchemaVersion < 1 || e.SchemaVersion > maxVersionNumber {
		errs = append(errs, invalid("schema_version", "must be from 1", fmt.Sprint(e.SchemaVersion)))
	}
	var faults []error
	e.Fields, faults = checkFields(e.Fields)
	if p.payload != nil {
		faults = nil // they are as the Go type has them, and so they are
	}
	e.Source = firstOf(e.Source, source)
	return e, joined(append(errs, faults...))
}

// checkFields returns a copy whose texts are on one line each.
func checkFields(fields []PayloadField) (checked []PayloadField, errs []error) {
	seen := map[string]bool{}
	for i, f := range fields {
		f.Type, f.Doc = oneLine(f.Type), oneLine(f.Doc)
		at := fmt.Sprintf("fields[%d]", i)
		switch {
		case f.Name == "" || f.Type == "":
			errs = append(errs, invalid(at, "a field needs a name and a type", excerpt.Of(f.Name)))
		case !isText(f.Name, maxFieldBytes) || !isText(f.Type, maxFieldBytes) || !isText(f.Doc, maxFieldBytes):
			errs = append(errs, invalid(at, "name, type and doc must be at most 1024 bytes of UTF-8 without control characters", excerpt.Of(f.Name)))
		case seen[f.Name]:
			errs = append(errs, invalid(at, "another field has this name", excerpt.Of(f.Name)))
		}
		seen[f.Name] = true
		checked = append(checked, f)
	}
	return checked, errs
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
