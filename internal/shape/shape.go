// Package shape tells what a Go type becomes in JSON, as encoding/json writes it.
// It looks at types alone, never at values.
package shape

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Shape is what values of a type look like.
type Shape struct {
	Form   string  // "object", "array of string", "any": what the whole is
	Fields []Field // all that lie within, each before those within it
}

// Field is one member of an object. Its name is the way to it: "items[].sku" lies
// in every element of an array, "prices.*.net" in every value of a map.
type Field struct {
	Name     string
	Type     string // as Shape.Form, "or null" where a nil pointer is written so
	Optional bool   // may be left out, by omitempty, omitzero or a nil embedded pointer
	Doc      string // its tag doc
}

// mostFields bounds what is listed of one type; types that refer to each other
// have no end of ways otherwise. What is beyond is one field named More.
const mostFields = 500

// More is the name of the field that stands for those beyond the bound.
const More = "…"

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	timeType      = reflect.TypeFor[time.Time]()
	durationType  = reflect.TypeFor[time.Duration]()
	numberType    = reflect.TypeFor[json.Number]()
)

// Of returns the shape of a type. The error joins one for each part that cannot be
// encoded: channels, functions, complex numbers, maps with other keys than text
// and integers.
func Of(t reflect.Type) (Shape, error) {
	w := walk{}
	form := w.form("", place{t: t})
	return Shape{Form: form, Fields: w.fields}, errors.Join(w.faults...)
}

// place is a type where it stands: pointer methods encode a value only where it
// can be addressed.
type place struct {
	t           reflect.Type
	addressable bool
}

func (p place) implements(i reflect.Type) bool {
	return p.t.Implements(i) || p.addressable && reflect.PointerTo(p.t).Implements(i)
}

type walk struct {
	fields []Field
	faults []error
	within []reflect.Type // from the outside in, to see where a type comes back
}

// form returns what p becomes, and lists the fields within.
func (w *walk) form(path string, p place) string {
	if form := special(p); form != "" {
		return form
	}
	if form := plain(p.t.Kind()); form != "" {
		return form
	}
	if slices.Contains(w.within, p.t) {
		return outer(p.t.Kind()) + " (recursive)"
	}
	w.within = append(w.within, p.t)
	defer func() { w.within = w.within[:len(w.within)-1] }()

	switch t := p.t; t.Kind() {
	case reflect.Pointer:
		return w.form(path, place{t.Elem(), true})
	case reflect.Struct:
		w.object(path, p)
		return "object"
	case reflect.Map:
		if !isKey(t.Key()) {
			return w.refuse(path, t)
		}
		return "object of " + w.form(join(path, "*"), place{t: t.Elem()})
	case reflect.Slice:
		if isBytes(t) {
			return "string (base64)"
		}
		return "array of " + w.form(path+"[]", place{t.Elem(), true})
	case reflect.Array:
		return "array of " + w.form(path+"[]", place{t.Elem(), p.addressable})
	default:
		return w.refuse(path, t)
	}
}

// special is the form of what encodes itself, or "".
func special(p place) string {
	switch {
	case p.t.Kind() == reflect.Pointer: // what it points to says it
		return ""
	case p.t == timeType:
		return "string (time)"
	case p.t == durationType:
		return "integer (nanoseconds)"
	case p.t == numberType:
		return "number"
	case p.implements(jsonMarshaler):
		return "any"
	case p.implements(textMarshaler):
		return "string"
	}
	return ""
}

func plain(k reflect.Kind) string {
	switch {
	case k == reflect.Bool:
		return "boolean"
	case k >= reflect.Int && k <= reflect.Uintptr:
		return "integer"
	case k == reflect.Float32 || k == reflect.Float64:
		return "number"
	case k == reflect.String:
		return "string"
	case k == reflect.Interface:
		return "any"
	}
	return ""
}

func outer(k reflect.Kind) string {
	switch k {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice, reflect.Array:
		return "array"
	default:
		return "any"
	}
}

func isBytes(t reflect.Type) bool {
	elem := place{t.Elem(), true}
	return t.Elem().Kind() == reflect.Uint8 && !elem.implements(jsonMarshaler) && !elem.implements(textMarshaler)
}

func isKey(t reflect.Type) bool {
	k := t.Kind()
	return k == reflect.String || k >= reflect.Int && k <= reflect.Uintptr || t.Implements(textMarshaler)
}

func (w *walk) refuse(path string, t reflect.Type) string {
	if path == "" {
		path = "it"
	}
	w.faults = append(w.faults, fmt.Errorf("%s: a %s cannot be encoded as JSON", path, t))
	return "any"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
