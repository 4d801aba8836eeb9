package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

const known = `"specversion":"1.0","id":"1","type":"order.created","source":"/shop"`

func object(members string) []byte { return []byte("{" + known + "," + members + "}") }

func TestParseJSONRefuses(t *testing.T) {
	for in, want := range map[string]string{
		``:                            "json: must be one object: unexpected end",
		`[{` + known + `}]`:           "json: must be one object: unexpected '[' at byte 0",
		"\ufeff{" + known + `}`:       "json: must be one object",
		`null`:                        "json: must be one object",
		`{}`:                          "specversion: required",
		`{` + known + `,}`:            "json: unexpected '}'",
		`{` + known:                   "json: unexpected end",
		`{` + known + `}x`:            "json: trailing data at byte",
		`{` + known + `} {}`:          "json: trailing data at byte",
		`{` + known + `,"a"}`:         "json: unexpected '}'",
		`{` + known + `,"a":"` + "\n": "json: unexpected",
		"{\"a\":\"\xff\"}":            "json: must be valid UTF-8",
		`{"specversion":"1.0","type":"a","source":"s"}`:               "id: required",
		`{"specversion":"1.0","id":null,"type":"a","source":"s"}`:     "id: required",
		`{"specversion":"1.0","id":"","type":"a","source":"s"}`:       "id: required",
		`{"specversion":"1.0","id":7,"type":"a","source":"s"}`:        "id: must be a string (got \"7\")",
		`{"specversion":"1.0","id":"1","source":"s"}`:                 "type: required",
		`{"specversion":"1.0","id":"1","type":"a"}`:                   "source: required",
		`{"specversion":"1.0","id":"1","type":"a","source":""}`:       "source: required",
		`{"specversion":1.0,"id":"1","type":"a","source":"s"}`:        "specversion: must be a string",
		`{"specversion":"1.1","id":"1","type":"a","source":"s"}`:      "specversion: must be 1.0",
		`{"specversion":"1.0","ID":"1","type":"a","source":"s"}`:      "ID: attribute names are lower-case: write id",
		`{"specversion":"1.0","id":"1","Type":"a","source":"s"}`:      "Type: attribute names are lower-case: write type",
		`{"specversion":"1.0","\u0069d":"1","type":"a","source":"s"}`: `\u0069d: an attribute's name must be`,
	} {
		refused(t, []byte(in), want)
	}
	for members, want := range map[string]string{
		`"id":"1"`:                "id: duplicate",
		`"a":null,"a":1`:          "a: duplicate",
		`"data":1,"data":1`:       "data: duplicate",
		`"my_ext":1`:              "my_ext: an attribute's name must be",
		`"":1`:                    ": an attribute's name must be",
		`"database64":"x"`:        "database64: is not an attribute here",
		`"Data":1`:                "Data: attribute names are lower-case: write data",
		`"subject":true`:          "subject: must be a string",
		`"time":"2026-01-01"`:     "time: must be a time of RFC 3339",
		`"time":1`:                "time: must be a string",
		`"a":{}`:                  "a: must be a string, an integer or a boolean, not an object or array",
		`"a":` + nested(70):       "a: must be a string, an integer or a boolean, not an object or array",
		`"a":1.5`:                 "a: a number must be an integer",
		`"a":1e3`:                 "a: a number must be an integer",
		`"aggregateversion":1.0`:  "aggregateversion: a number must be an integer",
		`"aggregateversion":"x"`:  "aggregateversion: must be an integer",
		`"aggregateversion":true`: "aggregateversion: must be an integer",
		`"aggregateversion":99999999999999999999`: "aggregateversion: must be an integer",
		`"schemaversion":-1`:                      "schema_version: must be",
		`"a":"\ud800"`:                            "a: has half a surrogate pair",
		`"a":"\udc00\ud800"`:                      "a: has half a surrogate pair",
		`"a":"\ud800\u0041"`:                      "a: has half a surrogate pair",
		`"a":"\x"`:                                "json: unexpected 'x'",
		`"a":"\u00g0"`:                            "json: unexpected 'g'",
		`"a":"\u0000"`:                            "extensions.a: must be",
		`"a":01`:                                  "json: unexpected '1'",
		`"a":-`:                                   "json: unexpected '}'",
		`"a":nul`:                                 "json: unexpected '}'",
		`"a":`:                                    "json: unexpected '}'",
		`"data":` + nested(1001):                  "data: must nest at most 1000 levels",
		`"data":{"a":}`:                           "data: unexpected '}'",
		`"data":1,"data_base64":"MQ=="`:           "data_base64: must not stand beside data",
		`"data_base64":7`:                         "data_base64: must be a string",
		`"data_base64":"MQ"`:                      "data_base64: must be base64 with padding",
		`"data_base64":"MR=="`:                    "data_base64: must be base64 with padding",
		`"data_base64":"M\nQ=="`:                  "data_base64: must be base64 with padding",
		`"data_base64":"\ud800"`:                  "data_base64: has half a surrogate pair",
		`"data_base64":"ew==","datacontenttype":"application/json"`: "data: its content type says JSON",
		`"data":"\ud800","datacontenttype":"text/plain"`:            "data: has half a surrogate pair",
		`"eventbusmetadata":"{"`:                                    "eventbusmetadata: must be a JSON object of strings",
		`"eventbusmetadata":"{\"A\":\"\"}"`:                         "metadata: a key must be",
		`"eventbusmetadata":"{\"a\":1}"`:                            "eventbusmetadata: must be a JSON object of strings",
	} {
		refused(t, object(members), want)
	}
	var many strings.Builder
	for i := range 65 {
		fmt.Fprintf(&many, `"x%d":null,`, i)
	}
	refused(t, object(many.String()+`"y":1`), "x64: at most 64 extensions")
}

func refused(t *testing.T, in []byte, want string) {
	t.Helper()
	_, err := wire.ParseJSON(in)
	require.ErrorIs(t, err, eventbus.ErrUndecodable, "%s", in)
	require.ErrorIs(t, err, eventbus.ErrInvalid, "%s", in)
	require.ErrorContains(t, err, want, "%s", in)
}

func TestParseJSONTakes(t *testing.T) {
	in := []byte(` { "data" : {"b": 1.0, "b":9007199254740993} , "time":"2010-10-02T09:20:39.266+02:00", "subject":"o",
		"tenantid":7, "a":-0, "b":true, "c":12345678901234567890, "d":"\u00e4\ud83d\udca1\n"` + "" + `, "e":null, "aggregateversion":"12", "schemaversion":2, ` + known + ` } `)
	_, err := wire.ParseJSON(in)
	require.ErrorContains(t, err, "extensions.d", "a control character")
	in = []byte(strings.Replace(string(in), `\n`, ``, 1))
	e, err := wire.ParseJSON(in)
	require.NoError(t, err)
	want := eventbus.DomainEvent{
		ID: "1", Type: "order.created", Source: "/shop", AggregateType: "order", AggregateID: "o", AggregateVersion: 12, SchemaVersion: 2,
		Time: e.Time, TenantID: "7", Extensions: map[string]string{"a": "0", "b": "true", "c": "12345678901234567890", "d": "ä💡"},
	}.WithData("application/json", []byte(`{"b": 1.0, "b":9007199254740993}`))
	requireSame(t, want, e)
	require.Equal(t, "2010-10-02 07:20:39.266 +0000 UTC", e.Time.String())
	for i := range in {
		in[i] = 'x'
	}
	requireSame(t, want, e) // nothing of the input is kept
}

func TestParseJSONPayloads(t *testing.T) {
	for members, want := range map[string][2]string{
		`"x":1`:                        {"", ""},
		`"datacontenttype":"text/xml"`: {"text/xml", ""},
		`"data":"a\tb"`:                {"application/json", `"a\tb"`},
		`"data":null`:                  {"application/json", `null`},
		`"data":"a\tb\/","datacontenttype":"text/plain"`:            {"text/plain", "a\tb/"},
		`"datacontenttype":"text/plain","data":null`:                {"text/plain", ""},
		`"datacontenttype":"text/plain","data":{"a": 1}`:            {"text/plain", `{"a": 1}`},
		`"datacontenttype":"application/x+json","data":"a"`:         {"application/x+json", `"a"`},
		`"data_base64":"AP8="`:                                      {"", "\x00\xff"},
		`"data_base64":""`:                                          {"", ""},
		`"data_base64":null,"data":1`:                               {"application/json", "1"},
		`"data_base64":"MQ==","data":null`:                          {"", "1"},
		`"data_base64":"MQ==","datacontenttype":"application/json"`: {"application/json", "1"},
		`"data":` + nested(1000):                                    {"application/json", nested(1000)},
	} {
		e, err := wire.ParseJSON(object(members))
		require.NoError(t, err, members)
		require.Equal(t, want, [2]string{e.ContentType, string(e.Data())}, members)
	}
}

func TestAppendJSONForm(t *testing.T) {
	e := small()
	e.AggregateID, e.AggregateVersion, e.Time = "o", 2, noon
	e = e.WithData("application/json", []byte(`{"a":1}`)).WithMetadata("k", "v").WithExtension("x", "1")
	line := []byte(`{"specversion":"1.0","id":"1","type":"order.created","source":"/shop","subject":"o","time":"2026-03-01T12:00:00.123456789Z",` +
		`"datacontenttype":"application/json","aggregatetype":"order","aggregateversion":2,"x":"1","eventbusmetadata":"{\"k\":\"v\"}","data":{"a":1}}`)
	require.Equal(t, line, wire.AppendJSON(nil, &e), "byte for byte")
	e = small().WithData("application/json", []byte("{\n}"))
	require.Contains(t, string(wire.AppendJSON(nil, &e)), `"data_base64":"ewp9"`, "a line stays a line, byte for byte")
	e = small().WithData("text/plain", []byte("a\x01\n"))
	require.Contains(t, string(wire.AppendJSON(nil, &e)), `"data":"a\u0001\n"`)
}
