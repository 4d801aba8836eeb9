package eventbus

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/media"
)

const (
	contentTypeJSON = "application/json"
	maxJSONDepth    = 1000
)

// payloadNames returns the event type and, where the payload names one, the
// aggregate type of a payload.
func payloadNames(p EventTyper) (name, aggregate string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = invalid("payload", fmt.Sprintf("its EventType or AggregateType panicked: %v", r), fmt.Sprintf("%T", p))
		}
	}()
	if p == nil || reflect.TypeOf(p).Kind() == reflect.Pointer && isNil(p) {
		return "", "", invalid("payload", "must not be nil", fmt.Sprintf("%T", p))
	}
	if reflect.TypeOf(p).Kind() == reflect.Pointer {
		err = invalid("payload", "must be a value, not a pointer: events are immutable", fmt.Sprintf("%T", p))
	}
	name = p.EventType()
	if a, ok := p.(AggregateTyper); ok {
		aggregate = a.AggregateType()
		if !strings.HasPrefix(name, aggregate+".") && aggregate != "" && !strings.Contains(name, ".") {
			name = aggregate + "." + name
		}
	}
	return name, aggregate, err
}

// encodePayload encodes v as JSON, refusing what JSON would change silently.
func encodePayload(v any) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			data, err = nil, invalid("payload", fmt.Sprintf("its encoder panicked: %v", r), fmt.Sprintf("%T", v))
		}
	}()
	data, err = json.Marshal(v)
	if err != nil {
		return nil, &ValidationError{Field: "payload", Rule: "must be encodable as JSON", Value: fmt.Sprintf("%T", v), Err: err}
	}
	if !utf8.Valid(data) { // of a MarshalJSON or a RawMessage
		return nil, invalid("payload", "must be valid UTF-8", fmt.Sprintf("%T", v))
	}
	if at := bytes.Index(data, []byte(`\ufffd`)); at >= 0 && (&utf8Search{}).finds(reflect.ValueOf(v)) {
		return nil, invalid("payload", fmt.Sprintf("invalid UTF-8 at byte %d", at), fmt.Sprintf("%T", v))
	}
	return data, checkDepth(data)
}

// utf8Search looks for invalid UTF-8 in the strings of a value, as far as they are
// encoded, only after the encoder left its replacement mark. What encodes itself is
// not looked into.
type utf8Search struct{ looked int }

// mostLooked bounds the search in values that refer to one thing over and over.
const mostLooked = 1_000_000

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

func (u *utf8Search) finds(v reflect.Value) bool {
	if u.looked++; u.looked > mostLooked || !v.IsValid() {
		return false
	}
	if t := v.Type(); t.Implements(jsonMarshaler) {
		return false
	} else if t.Implements(textMarshaler) && v.CanInterface() && v.Kind() != reflect.Interface {
		return u.inText(v)
	}
	switch v.Kind() {
	case reflect.String:
		return !utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && u.finds(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if u.finds(v.Index(i)) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if u.finds(it.Key()) || u.finds(it.Value()) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-" && u.finds(v.Field(i)) {
				return true
			}
		}
	}
	return false
}

func (u *utf8Search) inText(v reflect.Value) bool {
	m, ok := v.Interface().(encoding.TextMarshaler)
	if !ok || isNil(m) {
		return false
	}
	text, err := m.MarshalText()
	return err == nil && !utf8.Valid(text)
}

// checkPayload refuses bytes that a receiver could not read by their content
// type (https://github.com/cloudevents/spec, version 1.0.2, section 3.1).
func (e *DomainEvent) checkPayload() error {
	if e.ContentType == "" || e.keepsTo(e.ContentType) {
		return nil
	}
	if media.IsCloudEvents(e.ContentType) {
		return invalid("content_type", "must be that of the payload: one of CloudEvents marks a whole event", excerpt.Of(e.ContentType))
	}
	if len(e.Data()) > 0 && media.IsJSON(e.ContentType) {
		return checkJSON(e.Data())
	}
	return nil
}

func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return invalid("payload", "must be valid UTF-8", "")
	}
	if !json.Valid(data) {
		return invalid("payload", "must be valid JSON, as its content type says", excerpt.Of(string(data)))
	}
	return checkDepth(data)
}

func checkDepth(data []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxJSONDepth {
				return invalid("payload", fmt.Sprintf("must nest at most %d levels", maxJSONDepth), "")
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// decodePayload turns the bytes of a payload into a T.
func decodePayload[T any](eventType string, data []byte) (T, error) {
	var out T
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("%w: payload of %s into %T: %w", ErrUndecodable, eventType, out, err)
	}
	return out, nil
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Interface, reflect.Slice, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}
