package wire

import (
	"strings"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/media"
)

// Decode reads an event in binary mode or, where the content type is
// application/cloudevents+json, in structured mode. What it returns passes
// DomainEvent.Validate, and has valid JSON of at most 1,000 levels for a payload
// where the content type is one of JSON. It refers to the body, which must not
// be changed afterwards.
//
// Every error matches eventbus.ErrUndecodable and names the field. Attributes
// without a field of their own become extensions. Headers that are no attributes
// become metadata, the first of each name; they are never a reason to fail: what
// is not legal metadata, or too much of it, is left out. Our own headers,
// eventbus-…, are passed over.
func Decode(header []Field, body []byte) (eventbus.DomainEvent, error) {
	v := envelope{prefix: attributePrefix}
	typed := false
	for i := range header {
		if header[i].Name != contentTypeName {
			continue
		}
		if typed {
			return eventbus.DomainEvent{}, refuse(contentTypeName, "duplicate", "")
		}
		typed, v.event.ContentType = true, header[i].Value
	}
	if media.IsStructured(v.event.ContentType) {
		return decodeStructured(header, body)
	}
	foreign, err := v.readHeader(header)
	if err != nil {
		return eventbus.DomainEvent{}, err
	}
	if foreign {
		addMetadata(&v.event, header)
	}
	if len(body) > 0 && media.IsJSON(v.event.ContentType) {
		if err := checkJSON(body); err != nil {
			return eventbus.DomainEvent{}, err
		}
	}
	return v.finish(body)
}

// readHeader sets the attributes, and reports whether there are headers that may
// be metadata. A partition key that says no more than the subject is forgotten.
func (v *envelope) readHeader(header []Field) (foreign bool, err error) {
	key := -1
	for i := range header {
		name, ok := strings.CutPrefix(header[i].Name, attributePrefix)
		if !ok {
			foreign = foreign || header[i].Name != contentTypeName && !isFact(header[i].Name)
			continue
		}
		a := attributeOf(name)
		if err := v.once(a, name); err != nil {
			return false, err
		}
		switch a {
		case data, dataBase64, dataContentType:
			return false, v.refuse(name, "is not an attribute of binary mode", "")
		case partition:
			key = i
			continue
		}
		if err := v.set(a, name, header[i].Value); err != nil {
			return false, err
		}
	}
	if key >= 0 && header[key].Value != v.event.AggregateID {
		return foreign, v.extend(partitionKey, header[key].Value)
	}
	return foreign, nil
}

func decodeStructured(header []Field, body []byte) (eventbus.DomainEvent, error) {
	e, err := ParseJSON(body)
	if err != nil {
		return e, err
	}
	if key, ok := e.Extensions[partitionKey]; ok && key == e.AggregateID {
		if delete(e.Extensions, partitionKey); len(e.Extensions) == 0 {
			e.Extensions = nil
		}
	}
	addMetadata(&e, header)
	return e, nil
}

// addMetadata takes what the header holds of legal metadata, as far as there is
// room.
func addMetadata(e *eventbus.DomainEvent, header []Field) {
	room := maxEntryBytes
	for _, m := range [...]map[string]string{e.Extensions, e.Metadata} {
		for k, v := range m {
			room -= len(k) + len(v)
		}
	}
	for _, f := range header {
		if _, have := e.Metadata[f.Name]; have || !isMetadata(f.Name, f.Value) {
			continue
		}
		size := len(f.Name) + len(f.Value)
		if size > room || len(e.Metadata)+len(e.Extensions) >= maxEntries {
			continue
		}
		if e.Metadata == nil {
			e.Metadata = make(map[string]string)
		}
		e.Metadata[f.Name] = f.Value
		room -= size
	}
}
