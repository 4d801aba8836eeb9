package wire

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// metadataMember is the member of a header's object that holds, as an object of
// strings, the fields that are neither attributes nor ours.
const metadataMember = "eventbus-metadata"

// AppendHeader writes a header as one compact JSON object, for protocols that have
// one place for all headers, and returns the extended buffer. It does not allocate
// where dst has room.
//
// The attribute ce_X becomes the member X, content-type becomes datacontenttype,
// eventbus-X keeps its name. All others become members of eventbus-metadata, which
// comes last and is left out where it would be empty; among them is what only
// looks like an attribute or ours, such as ce_Id, ce_data, ce_datacontenttype and
// eventbus-metadata. The order is kept, and all values are strings.
//
// What it writes is always valid JSON with no name twice: of fields of one name
// the first counts, and bytes that are not UTF-8 become U+FFFD. No valid event has
// either. All else ParseHeader reads back as it was, up to 256 fields.
func AppendHeader(dst []byte, h []Field) []byte {
	out := appendHeader(dst, h)
	if utf8.Valid(out[len(dst):]) {
		return out
	}
	h = slices.Clone(h)
	for i := range h {
		h[i].Name = strings.ToValidUTF8(h[i].Name, "\uFFFD")
		h[i].Value = strings.ToValidUTF8(h[i].Value, "\uFFFD")
	}
	return appendHeader(dst, h)
}

func appendHeader(dst []byte, h []Field) []byte {
	var seen uint32 // by attribute
	start, foreign := len(dst), false
	for i := range h {
		a, member := memberOf(h[i].Name)
		switch {
		case member == "":
			foreign = true
			continue
		case a == unknown && holds(h[:i], h[i].Name), seen&(1<<a) != 0:
			continue
		case a != unknown:
			seen |= 1 << a
			dst = append(dst, quotedNames[a]...)
		default:
			dst = appendName(dst, member)
		}
		dst = appendQuoted(dst, h[i].Value)
	}
	if foreign {
		dst = appendForeign(dst, h)
	}
	if len(dst) == start {
		return append(dst, '{', '}')
	}
	dst[start] = '{' // for the first comma
	return append(dst, '}')
}

func appendForeign(dst []byte, h []Field) []byte {
	dst = appendName(dst, metadataMember)
	start := len(dst)
	for i := range h {
		if _, member := memberOf(h[i].Name); member == "" && !holds(h[:i], h[i].Name) {
			dst = appendQuoted(appendName(dst, h[i].Name), h[i].Value)
		}
	}
	dst[start] = '{'
	return append(dst, '}')
}

func holds(h []Field, name string) bool {
	for i := range h {
		if h[i].Name == name {
			return true
		}
	}
	return false
}

// memberOf returns the member that a field has at the top, and its attribute where
// that is known; "" stands for a member of eventbus-metadata. Each member belongs to
// one field.
func memberOf(field string) (attribute, string) {
	name, ok := strings.CutPrefix(field, attributePrefix)
	switch {
	case ok:
		if a := attributeOf(name); a != dataContentType && (a != unknown || extensionFault(name) == "") && a < data {
			return a, name
		}
	case field == contentTypeName:
		return dataContentType, attributeNames[dataContentType]
	case isFact(field) && field != metadataMember && isKey(field):
		return unknown, field
	}
	return unknown, ""
}

// fieldNames are the fields of the known attributes.
var fieldNames = func() (names [len(attributeNames)]string) {
	for a := range names {
		names[a] = attributePrefix + attributeNames[a]
	}
	names[dataContentType] = contentTypeName
	return names
}()

// quotedNames are the members of the known attributes, as appendName writes them.
var quotedNames = func() (names [len(attributeNames)]string) {
	for a, name := range attributeNames {
		names[a] = string(appendName(nil, name))
	}
	return names
}()

// nameFault returns why no field has a member of that name.
func nameFault(name string) string {
	switch {
	case isFact(name):
		return "a name must be at most 128 bytes of [a-z0-9._-]"
	case attributeOf(name) != unknown:
		return "is not an attribute of binary mode"
	}
	return extensionFault(name)
}
