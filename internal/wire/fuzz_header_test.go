package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

var (
	factName   = regexp.MustCompile(`\Aeventbus-[a-z0-9._-]{0,119}\z`)
	noMember   = regexp.MustCompile(`\A(data|data_base64|database64)\z`)
	stringOnly = regexp.MustCompile(`\A(specversion|id|type|source|subject|time|datacontenttype|dataschema)\z`)
	escape     = regexp.MustCompile(`\\(u[0-9A-Fa-f]{4}|.)`)
)

// fieldOf is the field of a member outside of eventbus-metadata, or "".
func fieldOf(member string) string {
	switch {
	case member == "datacontenttype":
		return "content-type"
	case extensionName.MatchString(member) && !noMember.MatchString(member):
		return "ce_" + member
	case factName.MatchString(member) && member != "eventbus-metadata":
		return member
	}
	return ""
}

// isOutside reports whether a field has a place outside of eventbus-metadata.
func isOutside(field string) bool {
	member := strings.TrimPrefix(field, "ce_")
	if field == "content-type" {
		member = "datacontenttype"
	}
	return field != "" && fieldOf(member) == field
}

// headerReader reads headers with encoding/json, by the rules of ParseHeader's
// comment.
type headerReader struct {
	*json.Decoder
	in     []byte
	fields []wire.Field
	names  map[string]bool // of fields
	nested bool            // eventbus-metadata was met
}

// readHeader reports whether the header is to be taken, and what it holds.
func readHeader(in []byte) ([]wire.Field, bool) {
	if !utf8.Valid(in) || !json.Valid(in) {
		return nil, false
	}
	r := headerReader{Decoder: json.NewDecoder(bytes.NewReader(in)), in: in, names: map[string]bool{}}
	r.UseNumber()
	if open, _ := r.Token(); open != json.Delim('{') {
		return nil, false
	}
	ok := r.object(r.member) && len(r.names) <= 256
	return r.fields, ok
}

func (r *headerReader) object(member func() bool) bool {
	for r.More() {
		if !member() {
			return false
		}
	}
	_, err := r.Token()
	return err == nil
}

// next returns a token, how it is written, and whether it stands for something.
func (r *headerReader) next() (token json.Token, raw []byte, whole bool) {
	start := r.InputOffset()
	token, err := r.Token()
	raw = r.in[start:r.InputOffset()]
	s, _ := token.(string)
	replaced := strings.Count(s, "\uFFFD") - bytes.Count(raw, []byte("\uFFFD"))
	for _, e := range escape.FindAll(raw, -1) {
		if strings.EqualFold(string(e), `\ufffd`) {
			replaced--
		}
	}
	return token, raw, err == nil && replaced == 0 // what encoding/json replaces are halves of surrogate pairs
}

func (r *headerReader) member() bool {
	key, raw, _ := r.next()
	name, _ := key.(string)
	if bytes.IndexByte(raw, '\\') >= 0 {
		return false
	}
	if name == "eventbus-metadata" {
		if r.nested {
			return false
		}
		r.nested = true
		switch open, _ := r.Token(); open {
		case nil:
			return true
		case json.Delim('{'):
			return r.object(r.entry)
		}
		return false
	}
	field := fieldOf(name)
	if field == "" || r.names[field] {
		return false
	}
	r.names[field] = true
	token, _, whole := r.next()
	if token == nil {
		return true
	}
	value := fmt.Sprint(token)
	switch token.(type) {
	case json.Delim:
		return false
	case json.Number:
		if value == "-0" {
			value = "0"
		}
		whole = !stringOnly.MatchString(name) && !strings.ContainsAny(value, ".eE")
	case bool:
		whole = !stringOnly.MatchString(name)
	}
	r.fields = append(r.fields, wire.Field{Name: field, Value: value})
	return whole
}

func (r *headerReader) entry() bool {
	key, _, whole := r.next()
	name, _ := key.(string)
	if !whole || isOutside(name) || r.names[name] {
		return false
	}
	r.names[name] = true
	token, _, whole := r.next()
	value, ok := token.(string)
	r.fields = append(r.fields, wire.Field{Name: name, Value: value})
	return ok && whole
}

// written is what must come back of a header: of each name the first, those of
// eventbus-metadata behind the others.
func written(h []wire.Field) []wire.Field {
	var outside, inside []wire.Field
	seen := map[string]bool{}
	for _, f := range h {
		f = wire.Field{Name: strings.ToValidUTF8(f.Name, "\uFFFD"), Value: strings.ToValidUTF8(f.Value, "\uFFFD")}
		switch {
		case seen[f.Name]:
		case isOutside(f.Name):
			outside = append(outside, f)
		default:
			inside = append(inside, f)
		}
		seen[f.Name] = true
	}
	return append(append([]wire.Field{}, outside...), inside...)
}

// FuzzParseHeader holds what is read against encoding/json, and writes it again.
func FuzzParseHeader(f *testing.F) {
	for _, s := range []string{
		`{"specversion":"1.0","id":"1","type":"order.created","source":"/shop","subject":"o","aggregateversion":7,"x":true}`,
		" {\r\n\t\"eventbus-metadata\": {\"k\":\"\\u00e4\\ud83d\\udca1\\/\", \"\\u006b2\":\"\"}, \"datacontenttype\":\"application/json\"} \n",
		`{"eventbus-attempts":"2","eventbus-first-failure":null,"eventbus-":-0,"c":12345678901234567890}`,
		`{"id":null,"id":"1"}`, `{"x":1.5}`, `{"x":{}}`, `{"ID":"1"}`, `{"data":"1"}`, `{"x":"\ud800"}`, `{"\u0069d":"1"}`, `{"time":7}`, `[]`, `{}{}`,
		`{"eventbus-metadata":null,"eventbus-metadata":{}}`, `{"eventbus-metadata":{"ce_id":"1"}}`, `{"eventbus-metadata":{"ce_Id":"1","":"2"}}`,
		`{"eventbus-metadata":{"a":"1","\u0061":"1"}}`, `{"eventbus-metadata":{"a":null}}`, "{\"x\":\"\ufffd\\ufffd\\\\ufffd\"}", "{\"x\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want, ok := readHeader(in)
		got, err := wire.ParseHeader(in)
		require.Equal(t, ok, err == nil, "%q: %v", in, err)
		if err != nil {
			require.ErrorIs(t, err, eventbus.ErrUndecodable)
			return
		}
		require.Equal(t, fmt.Sprintf("%q", want), fmt.Sprintf("%q", got))
		again, err := wire.ParseHeader(wire.AppendHeader(nil, got))
		require.NoError(t, err)
		require.Equal(t, written(got), again)
	})
}

// FuzzAppendHeader writes arbitrary fields among those of an event: what comes back,
// by ParseHeader and by encoding/json, is what was given, and decodes alike.
func FuzzAppendHeader(f *testing.F) {
	for _, s := range [][2]string{
		{"channel", "web \"quoted\" \\ 💡"}, {"ce_traceparent", "00-1-2-01"}, {"ce_id", "2"}, {"ce_foo", ""}, {"ce_Id", "\x00\n"}, {"ce_data", "1"},
		{"ce_datacontenttype", "a/b"}, {"content-type", "text/plain"}, {"eventbus-metadata", "{}"}, {"eventbus-attempts", "3"}, {"eventbus-\"", "\u2028"},
		{"ce_eventbusmetadata", `{"a":"b"}`}, {"", "\xff\xfe"}, {"k\xff", "\xed\xa0\x80"}, {"k\ufffd", "\u0085"}, {"datacontenttype", "x"},
	} {
		f.Add(s[0], s[1], "content-type", "application/json", s[0], "again", uint8(0))
		f.Add("a", "1", s[0], s[1], "ce_x", "2", uint8(3))
	}
	f.Add("a", "1", "ce_x", "2", "eventbus-x", "3", uint8(255))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, name3, value3 string, more uint8) {
		h := append([]wire.Field{{name1, value1}, {name2, value2}}, header()...)
		h = wire.Facts{Attempts: 1, Origin: value1}.Append(append(h, wire.Field{Name: name3, Value: value3}))
		for i := range int(more) {
			h = append(h, wire.Field{Name: fmt.Sprintf("more.%d", i), Value: value2})
		}
		in := wire.AppendHeader([]byte("x"), h)[1:]
		want := written(h)
		require.True(t, json.Valid(in), "%s", in)
		got, err := wire.ParseHeader(in)
		require.Equal(t, len(want) <= 256, err == nil, "%s: %v", in, err)
		if err != nil {
			return
		}
		require.Equal(t, want, got, "%s", in)
		reference, ok := readHeader(in)
		require.True(t, ok, "%s", in)
		require.Equal(t, want, reference, "%s", in)
		requireDecodesAlike(t, h, got)
	})
}

// requireDecodesAlike holds what came back against what was given, where that is
// UTF-8 and has no name twice.
func requireDecodesAlike(t *testing.T, given, back []wire.Field) {
	for _, f := range given {
		if len(given) != len(back) || !utf8.ValidString(f.Name+f.Value) {
			return
		}
	}
	want, wantErr := wire.Decode(given, nil)
	got, err := wire.Decode(back, nil)
	require.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
	require.Equal(t, wire.ReadFacts(given), wire.ReadFacts(back))
	requireSame(t, want, got)
}
