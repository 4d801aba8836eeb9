package wire

import (
	"bytes"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/media"
)

// ParseJSON reads one CloudEvent in structured mode, the JSON event format of
// CloudEvents 1.0.2. It keeps no part of in.
//
// Names are exact: a known attribute in another case, a name twice, and one that
// is not of [a-z0-9] are refused, and so is anything behind the object. Unknown
// attributes become extensions, in CloudEvents' canonical string form; null
// stands for an absent one. Attributes are strings, booleans and integers, those
// exact to the digit; an object or array is refused at its first byte. A JSON
// payload is kept byte for byte, at most 1,000 levels of it. Every error matches
// eventbus.ErrUndecodable and names the attribute.
func ParseJSON(in []byte) (eventbus.DomainEvent, error) {
	p := parser{scanner: scanner{in: in}}
	if err := p.object(); err != nil {
		return eventbus.DomainEvent{}, err
	}
	body, err := p.body()
	if err != nil {
		return eventbus.DomainEvent{}, err
	}
	return p.finish(body)
}

// parser holds the payload as it is written until the content type is known.
type parser struct {
	scanner
	envelope
	raw    []byte // the value of data, or nil
	base64 []byte // the string of data_base64, or nil
}

func (p *parser) object() error {
	if !utf8.Valid(p.in) {
		return refuse("json", errUTF8.Error(), "")
	}
	if err := p.expect('{'); err != nil {
		return refuse("json", "must be one object: "+err.Error(), "")
	}
	if p.next() == '}' {
		p.at++
		return malformed(p.end())
	}
	for {
		if err := p.member(); err != nil {
			return err
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
			p.at++
			return malformed(p.end())
		default:
			return malformed(p.unexpected())
		}
	}
}

func (p *parser) member() error {
	raw, err := p.key()
	if err != nil {
		return malformed(err)
	}
	a := attributeOf(string(raw))
	name := attributeNames[a]
	if a == unknown {
		name = string(raw)
		if fault := extensionFault(name); fault != "" {
			return p.refuse(name, fault, "")
		}
	}
	if err := p.once(a, name); err != nil {
		return err
	}
	if a == data {
		return p.payload()
	}
	return p.attribute(a, name)
}

func (p *parser) payload() error {
	p.next()
	start := p.at
	if err := p.value(maxDepth); err != nil {
		return refuse("data", err.Error(), "")
	}
	p.raw = p.in[start:p.at]
	return nil
}

func (p *parser) attribute(a attribute, name string) error {
	c := p.next()
	if c == '{' || c == '[' {
		return p.refuse(name, notPlain, "")
	}
	start := p.at
	if err := p.value(0); err != nil {
		return malformed(err)
	}
	token := p.in[start:p.at]
	switch {
	case c == 'n':
		return nil
	case c == '"' && a == dataBase64:
		p.base64 = token[1 : len(token)-1]
		return nil
	case c == '"':
		value, err := unquote(token[1 : len(token)-1])
		if err != nil {
			return p.refuse(name, err.Error(), "")
		}
		return p.set(a, name, value)
	}
	if fault := a.plainFault(token); fault != "" {
		return p.refuse(name, fault, excerpt.Of(string(token)))
	}
	return p.set(a, name, string(canonical(token)))
}

const notPlain = "must be a string, an integer or a boolean, not an object or array"

// plainFault returns what forbids a number or boolean as the attribute's value, or "".
func (a attribute) plainFault(token []byte) string {
	switch {
	case a == dataBase64, a != unknown && a <= dataSchema:
		return "must be a string"
	case token[0] != 't' && token[0] != 'f' && bytes.ContainsAny(token, ".eE"):
		return "a number must be an integer"
	}
	return ""
}

// canonical returns the canonical string form of an integer or boolean.
func canonical(token []byte) []byte {
	if string(token) == "-0" {
		return token[1:]
	}
	return token
}

// body returns the payload's bytes, and sets the content type that data has
// where none is given.
func (p *parser) body() ([]byte, error) {
	if p.base64 != nil {
		if p.raw != nil && string(p.raw) != "null" {
			return nil, refuse("data_base64", "must not stand beside data", "")
		}
		return p.binary()
	}
	if p.raw == nil {
		return nil, nil
	}
	if p.event.ContentType == "" {
		p.event.ContentType = "application/json"
	}
	switch {
	case media.IsJSON(p.event.ContentType):
		return bytes.Clone(p.raw), nil
	case p.raw[0] == '"':
		text, err := unquote(p.raw[1 : len(p.raw)-1])
		if err != nil {
			return nil, refuse("data", err.Error(), "")
		}
		return []byte(text), nil
	case p.raw[0] == 'n':
		return nil, nil
	default:
		return bytes.Clone(p.raw), nil
	}
}

func (p *parser) binary() ([]byte, error) {
	text, err := unquote(p.base64)
	if err != nil {
		return nil, refuse("data_base64", err.Error(), "")
	}
	body, err := parseBase64(text)
	if err != nil {
		return nil, refuse("data_base64", err.Error(), "")
	}
	if len(body) > 0 && media.IsJSON(p.event.ContentType) {
		return body, checkJSON(body)
	}
	return body, nil
}

func malformed(err error) error {
	if err == nil {
		return nil
	}
	return refuse("json", err.Error(), "")
}
