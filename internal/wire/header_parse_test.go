package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

func TestParseHeaderTakes(t *testing.T) {
	in := []byte(" {\r\n\t\"eventbus-metadata\" : { \"k\" : \"v\\u0020\\ud83d\\udca1\" , \"\\u006b2\":\"\" } , \"subject\":\"o\\/1\\n\\\"\\\\\", " +
		`"aggregateversion" : 7, "schemaversion":"1", "expirytime":null, "a":-0, "b":true, "c":12345678901234567890, "d":false,"e":"ä",` +
		`"eventbus-attempts":2, "datacontenttype":"a/b", "eventbus-origin":null, "id":"1" } ` + "\n")
	want := []wire.Field{
		{"k", "v 💡"}, {"k2", ""}, {"ce_subject", "o/1\n\"\\"}, {"ce_aggregateversion", "7"}, {"ce_schemaversion", "1"}, {"ce_a", "0"}, {"ce_b", "true"},
		{"ce_c", "12345678901234567890"}, {"ce_d", "false"}, {"ce_e", "ä"}, {"eventbus-attempts", "2"}, {"content-type", "a/b"}, {"ce_id", "1"},
	}
	h := parsed(t, in)
	for i := range in {
		in[i] = 'x'
	}
	require.Equal(t, want, h, "nothing of the input is kept")
	require.Empty(t, parsed(t, []byte(`{"eventbus-metadata":null,"id":null}`)))
	require.Empty(t, parsed(t, []byte(`{"eventbus-metadata":{}}`)))
}

func TestParseHeaderRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "header: must be one object: unexpected end of JSON",
		"null":                              "header: must be one object: unexpected 'n' at byte 0",
		" [{}]":                             "header: must be one object: unexpected '[' at byte 1",
		"\x00":                              `header: must be one object: unexpected '\x00' at byte 0`,
		"\ufeff{}":                          "header: must be one object",
		`{`:                                 "header: unexpected end of JSON",
		`{"id"`:                             "header: unexpected end of JSON",
		`{"id":`:                            "header: unexpected end of JSON",
		`{"id":"1`:                          "header: unexpected end of JSON",
		`{"id":"1"`:                         "header: unexpected end of JSON",
		`{"id":"1",}`:                       "header: unexpected '}' at byte 10",
		`{"id":"1" "x":1}`:                  `header: unexpected '"' at byte 10`,
		`{,}`:                               "header: unexpected ',' at byte 1",
		`{id:"1"}`:                          "header: unexpected 'i' at byte 1",
		`{"id" "1"}`:                        `header: unexpected '"' at byte 6`,
		`{}{}`:                              "header: trailing data at byte 2",
		"{}\n\x00":                          "header: trailing data at byte 3",
		"{\"x\":\"\xff\"}":                  "header: must be valid UTF-8",
		"{\"x\":\"a\nb\"}":                  `header: unexpected '\n' at byte 7`,
		"{\"x\ny\":1}":                      `header: unexpected '\n' at byte 3`,
		`{"x":"\x"}`:                        "header: unexpected 'x' at byte 7",
		`{"x":"\u12g4"}`:                    "header: unexpected 'g' at byte 10",
		`{"x":"\`:                           "header: unexpected end of JSON",
		`{"x":01}`:                          "header: unexpected '1' at byte 6",
		`{"x":nul}`:                         "header: unexpected '}' at byte 8",
		`{"x":+1}`:                          "header: unexpected '+' at byte 5",
		`{"x":"\ud800"}`:                    "x: has half a surrogate pair",
		`{"x":"\udca1\ud83d"}`:              "x: has half a surrogate pair",
		`{"x":"\ud83dx\udca1"}`:             "x: has half a surrogate pair",
		`{"id":"1","id":"1"}`:               "id: duplicate",
		`{"id":null,"id":"1"}`:              "id: duplicate",
		`{"x":"1","x":"1"}`:                 "x: duplicate",
		`{"x":null,"x":"1"}`:                "x: duplicate",
		`{"eventbus-a":"1","eventbus-a":1}`: "eventbus-a: duplicate",
		`{"datacontenttype":"a","datacontenttype":"a"}`:     "datacontenttype: duplicate",
		`{"eventbus-metadata":{},"eventbus-metadata":{}}`:   "eventbus-metadata: duplicate",
		`{"eventbus-metadata":null,"eventbus-metadata":{}}`: "eventbus-metadata: duplicate",
		`{"eventbus-metadata":{"a":"1","a":"1"}}`:           "eventbus-metadata.a: duplicate",
		`{"eventbus-metadata":{"a":"1","\u0061":"1"}}`:      "eventbus-metadata.a: duplicate",
		`{"eventbus-metadata":{"ce_id":"1"}}`:               "eventbus-metadata.ce_id: its place is outside, as id",
		`{"eventbus-metadata":{"ce_x":"1"}}`:                "eventbus-metadata.ce_x: its place is outside, as x",
		`{"eventbus-metadata":{"content-type":"1"}}`:        "eventbus-metadata.content-type: its place is outside, as datacontenttype",
		`{"eventbus-metadata":{"eventbus-attempts":"1"}}`:   "eventbus-metadata.eventbus-attempts: its place is outside",
		`{"eventbus-metadata":"{}"}`:                        "eventbus-metadata: must be an object of strings",
		`{"eventbus-metadata":[]}`:                          "eventbus-metadata: must be an object of strings",
		`{"eventbus-metadata":nil}`:                         "header: unexpected 'i' at byte 22",
		`{"eventbus-metadata":{"a":1}}`:                     "eventbus-metadata.a: must be a string",
		`{"eventbus-metadata":{"a":null}}`:                  "eventbus-metadata.a: must be a string",
		`{"eventbus-metadata":{"a":{}}}`:                    "eventbus-metadata.a: must be a string",
		`{"eventbus-metadata":{"a":"\ud800"}}`:              "eventbus-metadata.a: has half a surrogate pair",
		`{"eventbus-metadata":{"\ud800":""}}`:               "eventbus-metadata: a name has half a surrogate pair",
		`{"eventbus-metadata":{"a":"1",}}`:                  "header: unexpected '}' at byte 30",
		`{"eventbus-metadata":{"a":"1"`:                     "header: unexpected end of JSON",
		`{"eventbus-Metadata":{}}`:                          "eventbus-Metadata: a name must be at most 128 bytes of [a-z0-9._-]",
		`{"eventbus-\u0061":1}`:                             `eventbus-\u0061: a name must be`,
		`{"ID":"1"}`:                                        "ID: attribute names are lower-case: write id",
		`{"\u0069d":"1"}`:                                   `\u0069d: an attribute's name must be`,
		`{"":"1"}`:                                          ": an attribute's name must be",
		`{"a_b":"1"}`:                                       "a_b: an attribute's name must be",
		`{"ce_id":"1"}`:                                     "ce_id: an attribute's name must be",
		`{"content-type":"1"}`:                              "content-type: an attribute's name must be",
		`{"` + strings.Repeat("n", 129) + `":1}`:            strings.Repeat("n", 64) + "…: an attribute's name must be 1 to 128",
		`{"data":"1"}`:                                      "data: is not an attribute of binary mode",
		`{"data":null}`:                                     "data: is not an attribute of binary mode",
		`{"data_base64":"1"}`:                               "data_base64: is not an attribute of binary mode",
		`{"database64":"1"}`:                                "database64: is not an attribute here",
		`{"x":{}}`:                                          "x: must be a string, an integer or a boolean, not an object or array",
		`{"id":["1"]}`:                                      "id: must be a string, an integer or a boolean, not an object or array",
		`{"eventbus-attempts":{}}`:                          "eventbus-attempts: must be a string, an integer or a boolean",
		`{"id":1}`:                                          `id: must be a string (got "1")`,
		`{"time":true}`:                                     `time: must be a string (got "true")`,
		`{"datacontenttype":false}`:                         `datacontenttype: must be a string (got "false")`,
		`{"aggregateversion":7.0}`:                          `aggregateversion: a number must be an integer (got "7.0")`,
		`{"x":1e3}`:                                         `x: a number must be an integer (got "1e3")`,
		`{"eventbus-attempts":0.5}`:                         `eventbus-attempts: a number must be an integer`,
	} {
		h, err := wire.ParseHeader([]byte(in))
		require.ErrorIs(t, err, eventbus.ErrUndecodable, "%s", in)
		require.ErrorIs(t, err, eventbus.ErrInvalid, "%s", in)
		require.ErrorContains(t, err, "undecodable: "+want, "%s", in)
		require.Nil(t, h)
	}
}

func TestParseHeaderIsBounded(t *testing.T) {
	h := header()
	for i := range 300 {
		h = append(h, wire.Field{Name: fmt.Sprintf("m%d", i), Value: ""})
	}
	require.Equal(t, h[:256], parsed(t, wire.AppendHeader(nil, h[:256])))
	for in, want := range map[string]string{
		string(wire.AppendHeader(nil, h[:257])): "eventbus-metadata.m251: at most 256 fields",
		`{` + nulls(256) + `"time":null}`:       "time: at most 256 fields",
	} {
		_, err := wire.ParseHeader([]byte(in))
		require.ErrorContains(t, err, want)
	}
}

func nulls(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"x%d":null,`, i)
	}
	return b.String()
}
