package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// maxFields bounds a header: known attributes, ours, and as many extensions and
// metadata as Decode may look at.
const maxFields = 4 * maxEntries

// entryPrefix is how errors name a member of eventbus-metadata.
const entryPrefix = metadataMember + "."

// roomForNames is for names of extensions, which get a prefix; beyond it they are
// strings of their own.
const roomForNames = 32

// ParseHeader reads what AppendHeader writes, and what the JSON library of
// another language makes of the same: members in any order, white space,
// escapes, integers and booleans as ParseJSON takes them, null for what is
// absent. It keeps no part of in.
//
// It is as strict as ParseJSON: one object, names exact and each once. The values
// in eventbus-metadata are strings, under any name that has no place outside of
// it. There are at most 256 fields; how long values are, and whether they make an
// event, is left to Decode. Every error matches eventbus.ErrUndecodable and names
// the member or the byte.
func ParseHeader(in []byte) ([]Field, error) {
	if !utf8.Valid(in) {
		return nil, misread(errUTF8)
	}
	p := headerParser{scanner: scanner{in: in}, escaped: bytes.IndexByte(in, '\\') >= 0}
	p.text.Grow(len(in) + roomForNames)
	p.text.Write(in)
	quotes := bytes.Count(in, []byte{'"'})
	p.fields = make([]Field, 0, min(quotes/4, maxFields)) // exact where all are strings without quotes
	if p.next() != '{' {
		return nil, misread(fmt.Errorf("must be one object: %w", p.unexpected()))
	}
	if err := p.object(p.member); err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, misread(err)
	}
	return p.fields, nil
}

// headerParser cuts names and values out of one text, which begins as what is read.
type headerParser struct {
	scanner
	text    strings.Builder
	escaped bool // there are escapes in it
	fields  []Field
	absent  []string // names of fields that are null
	seen    uint32   // by attribute
	nested  bool     // eventbus-metadata was met
}

// object walks from the brace at hand to behind its counterpart, and calls member
// at each member.
func (p *headerParser) object(member func() error) error {
	p.at++
	if p.next() == '}' {
		p.at++
		return nil
	}
	for {
		if err := member(); err != nil {
			return err
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
			p.at++
			return nil
		default:
			return misread(p.unexpected())
		}
	}
}

func (p *headerParser) member() error {
	name, err := p.name()
	if err != nil {
		return misread(err)
	}
	if name == metadataMember {
		return p.metadata()
	}
	a := attributeOf(name)
	field := p.field(a, name)
	if field == "" {
		return refuse(cut(name), nameFault(name), "")
	}
	if fault := p.once(a, field); fault != "" {
		return refuse(cut(name), fault, "")
	}
	switch p.next() {
	case '"':
		return p.add("", name, field)
	case '{', '[':
		return refuse(cut(name), notPlain, "")
	default:
		return p.plain(a, name, field)
	}
}

// name walks over a member's name and colon, and returns the name as it is written.
func (p *headerParser) name() (string, error) {
	p.next()
	start := p.at + 1
	raw, err := p.key()
	if err != nil {
		return "", err
	}
	return p.text.String()[start : start+len(raw)], nil
}

// field returns the field that a member at the top is, the other way round than
// memberOf, or "".
func (p *headerParser) field(a attribute, name string) string {
	switch {
	case a != unknown && a < data:
		return fieldNames[a]
	case isFact(name) && isKey(name):
		return name
	case a != unknown, extensionFault(name) != "":
		return ""
	case p.text.Cap()-p.text.Len() < len(attributePrefix)+len(name):
		return attributePrefix + name
	}
	start := p.text.Len()
	p.text.WriteString(attributePrefix)
	p.text.WriteString(name)
	return p.text.String()[start:]
}

// plain reads a value that is not a string.
func (p *headerParser) plain(a attribute, name, field string) error {
	start := p.at
	if err := p.value(0); err != nil {
		return misread(err)
	}
	token := p.in[start:p.at]
	if token[0] == 'n' {
		p.absent = append(p.absent, field)
		return nil
	}
	if fault := a.plainFault(token); fault != "" {
		return refuse(cut(name), fault, excerpt.Of(string(token)))
	}
	token = canonical(token)
	p.fields = append(p.fields, Field{field, p.text.String()[p.at-len(token) : p.at]})
	return nil
}

// metadata reads the value of eventbus-metadata.
func (p *headerParser) metadata() error {
	if p.nested {
		return refuse(metadataMember, "duplicate", "")
	}
	p.nested = true
	switch p.next() {
	case '{':
		return p.object(p.entry)
	case 'n':
		if err := p.word("null"); err != nil {
			return misread(err)
		}
		return nil
	}
	return refuse(metadataMember, "must be an object of strings", "")
}

func (p *headerParser) entry() error {
	field, err := p.name()
	if err != nil {
		return misread(err)
	}
	if field, err = p.unescape(field); err != nil {
		return refuse(metadataMember, "a name "+err.Error(), "")
	}
	if _, member := memberOf(field); member != "" {
		return refuse(entryPrefix+cut(field), "its place is outside, as "+cut(member), "")
	}
	if fault := p.once(unknown, field); fault != "" {
		return refuse(entryPrefix+cut(field), fault, "")
	}
	if p.next() != '"' {
		return refuse(entryPrefix+cut(field), "must be a string", "")
	}
	return p.add(entryPrefix, field, field)
}

// once returns what forbids one more field of that name, or "".
func (p *headerParser) once(a attribute, field string) string {
	switch {
	case p.seen&(1<<a) != 0, a == unknown && (holds(p.fields, field) || slices.Contains(p.absent, field)):
		return "duplicate"
	case len(p.fields)+len(p.absent) == maxFields:
		return "at most 256 fields"
	case a != unknown:
		p.seen |= 1 << a
	}
	return ""
}

// add reads a field's value, a string. Errors name it by prefix and name.
func (p *headerParser) add(prefix, name, field string) error {
	start := p.at + 1
	if _, err := p.quoted(); err != nil {
		return misread(err)
	}
	value, err := p.unescape(p.text.String()[start : p.at-1])
	if err != nil {
		return refuse(prefix+cut(name), err.Error(), "")
	}
	p.fields = append(p.fields, Field{field, value})
	return nil
}

// unescape returns what a string stands for that the scanner has walked over.
func (p *headerParser) unescape(raw string) (string, error) {
	if !p.escaped || strings.IndexByte(raw, '\\') < 0 {
		return raw, nil
	}
	return unquote([]byte(raw))
}

func misread(err error) error { return refuse("header", err.Error(), "") }
