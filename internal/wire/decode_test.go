package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// header returns a legal header with fields replaced, added or, by the value
// "-", left out.
func header(fields ...wire.Field) []wire.Field {
	out := []wire.Field{{"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_type", "order.created"}, {"ce_source", "/shop"}, {"ce_subject", "o"}}
next:
	for _, f := range fields {
		for i := range out {
			if out[i].Name == f.Name {
				out[i].Value = f.Value
				continue next
			}
		}
		out = append(out, f)
	}
	kept := out[:0]
	for _, f := range out {
		if f.Value != "-" {
			kept = append(kept, f)
		}
	}
	return kept
}

func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

func TestDecodeRefuses(t *testing.T) {
	json := wire.Field{"content-type", "application/json"}
	for name, c := range map[string]struct {
		header []wire.Field
		body   string
		want   string
	}{
		"no header":          {nil, "", "ce_specversion: required"},
		"no specversion":     {header(wire.Field{"ce_specversion", "-"}), "", "ce_specversion: required"},
		"other specversion":  {header(wire.Field{"ce_specversion", "0.3"}), "", `ce_specversion: must be 1.0 (got "0.3")`},
		"no id":              {header(wire.Field{"ce_id", "-"}), "", "ce_id: required"},
		"empty id":           {header(wire.Field{"ce_id", ""}), "", "ce_id: required"},
		"no type":            {header(wire.Field{"ce_type", "-"}), "", "ce_type: required"},
		"no source":          {header(wire.Field{"ce_source", "-"}), "", "ce_source: required"},
		"duplicate id":       {append(header(), wire.Field{"ce_id", "1"}), "", "ce_id: duplicate"},
		"duplicate ext":      {append(header(), wire.Field{"ce_x", "1"}, wire.Field{"ce_x", "1"}), "", "ce_x: duplicate"},
		"duplicate key":      {append(header(), wire.Field{"ce_partitionkey", "o"}, wire.Field{"ce_partitionkey", "o"}), "", "ce_partitionkey: duplicate"},
		"duplicate media":    {append(header(), json, json), "1", "content-type: duplicate"},
		"time":               {header(wire.Field{"ce_time", "yesterday"}), "", `ce_time: must be a time of RFC 3339 (got "yesterday")`},
		"empty time":         {header(wire.Field{"ce_time", ""}), "", "ce_time: must be"},
		"time of one digit":  {header(wire.Field{"ce_time", "2026-03-01T1:00:00Z"}), "", "ce_time: must be"},
		"time with comma":    {header(wire.Field{"ce_time", "2026-03-01T01:00:00,5Z"}), "", "ce_time: must be"},
		"offset":             {header(wire.Field{"ce_time", "2026-03-01T01:00:00+24:00"}), "", "ce_time: must be"},
		"year 10000 in UTC":  {header(wire.Field{"ce_time", "9999-12-31T23:59:59-01:00"}), "", "time: its year"},
		"expiry":             {header(wire.Field{"ce_expirytime", "1"}), "", "ce_expirytime: must be"},
		"version":            {header(wire.Field{"ce_aggregateversion", "1.0"}), "", "ce_aggregateversion: must be an integer"},
		"version with plus":  {header(wire.Field{"ce_aggregateversion", "+1"}), "", "ce_aggregateversion: must be"},
		"version with zero":  {header(wire.Field{"ce_aggregateversion", "01"}), "", "ce_aggregateversion: must be"},
		"version, minus 0":   {header(wire.Field{"ce_aggregateversion", "-0"}), "", "ce_aggregateversion: must be"},
		"empty version":      {header(wire.Field{"ce_aggregateversion", ""}), "", "ce_aggregateversion: must be"},
		"huge version":       {header(wire.Field{"ce_aggregateversion", "9223372036854775808"}), "", "ce_aggregateversion: must be"},
		"negative version":   {header(wire.Field{"ce_aggregateversion", "-1"}), "", "aggregate_version: must not be negative"},
		"schema version":     {header(wire.Field{"ce_schemaversion", "x"}), "", "ce_schemaversion: must be"},
		"type rules":         {header(wire.Field{"ce_type", "order..created"}), "", "type: must be dotted words"},
		"text rules":         {header(wire.Field{"ce_tenantid", "a\x00"}), "", "tenant_id: must be"},
		"binary data":        {header(wire.Field{"ce_data", "1"}), "", "ce_data: is not an attribute of binary mode"},
		"binary media":       {header(wire.Field{"ce_datacontenttype", "a/b"}), "", "ce_datacontenttype: is not an attribute of binary mode"},
		"wrong case":         {header(wire.Field{"ce_Tenantid", "1"}), "", "ce_Tenantid: attribute names are lower-case: write tenantid"},
		"extension name":     {header(wire.Field{"ce_a-b", "1"}), "", "ce_a-b: an attribute's name must be"},
		"no extension name":  {header(wire.Field{"ce_", "1"}), "", "ce_: an attribute's name must be"},
		"extension value":    {header(wire.Field{"ce_x", "\xff"}), "", "extensions.x: must be"},
		"metadata attribute": {header(wire.Field{"ce_eventbusmetadata", `{"a":"b",}`}), "", "ce_eventbusmetadata: must be a JSON object of strings"},
		"metadata twice":     {header(wire.Field{"ce_eventbusmetadata", `{"a":"b","a":"b"}`}), "", "ce_eventbusmetadata: must be a JSON object of strings"},
		"not JSON":           {header(json), "{", "data: its content type says JSON: unexpected end"},
		"two JSON values":    {header(json), "1 2", "data: its content type says JSON: trailing data at byte 2"},
		"not JSON, +json":    {header(wire.Field{"content-type", "application/x+JSON ; a=b"}), "x", "data: its content type says JSON: unexpected 'x' at byte 0"},
		"JSON not in UTF-8":  {header(json), "\"\xff\"", "data: its content type says JSON: must be valid UTF-8"},
		"deep JSON":          {header(json), nested(1001), "must nest at most 1000 levels"},
		"structured":         {[]wire.Field{{"content-type", "application/cloudevents+json"}}, `{}`, "specversion: required"},
		"structured, empty":  {[]wire.Field{{"content-type", "application/cloudevents+json"}}, ``, "json: must be one object"},
	} {
		_, err := wire.Decode(c.header, []byte(c.body))
		require.ErrorIs(t, err, eventbus.ErrUndecodable, name)
		require.ErrorIs(t, err, eventbus.ErrInvalid, name)
		require.ErrorContains(t, err, c.want, name)
	}
	many := header()
	for i := range 65 {
		many = append(many, wire.Field{fmt.Sprintf("ce_x%d", i), ""})
	}
	_, err := wire.Decode(many, nil)
	require.ErrorContains(t, err, "ce_x64: at most 64 extensions")
}

func TestDecodeTakesWhatIsLegal(t *testing.T) {
	e, err := wire.Decode(header(
		wire.Field{"ce_partitionkey", "o"}, wire.Field{"ce_time", "2010-10-02T09:20:39.266+02:00"},
		wire.Field{"content-type", "application/json"}, wire.Field{"ce_traceparent", "00"}, wire.Field{"eventbus-attempts", "3"},
	), []byte(nested(1000)))
	require.NoError(t, err)
	require.Equal(t, "order", e.AggregateType)
	require.Equal(t, map[string]string{"traceparent": "00"}, e.Extensions, "a partition key equal to the subject is not kept")
	require.Nil(t, e.Metadata)
	require.Equal(t, "2010-10-02T07:20:39.266Z", e.Time.Format("2006-01-02T15:04:05.999Z07:00"))

	e, err = wire.Decode(header(wire.Field{"content-type", "application/json"}, wire.Field{"ce_partitionkey", "p"}), nil)
	require.NoError(t, err)
	require.Empty(t, e.Data())
	require.True(t, e.Time.IsZero())
	require.Equal(t, map[string]string{"partitionkey": "p"}, e.Extensions)
}

func TestDecodeNeverFailsForForeignHeaders(t *testing.T) {
	h := header(
		wire.Field{"a", "1"}, wire.Field{"a", "2"}, wire.Field{"", "x"}, wire.Field{"X-Upper", "x"}, wire.Field{"with space", "x"},
		wire.Field{"utf8", "\xff"}, wire.Field{"crlf", "a\r\nb"}, wire.Field{"long", strings.Repeat("x", 4097)}, wire.Field{"c1", "\u0085"},
		wire.Field{strings.Repeat("k", 129), "x"}, wire.Field{"eventbus-unknown", "x"}, wire.Field{"limit", strings.Repeat("x", 4096)},
		wire.Field{strings.Repeat("k", 128), "x"}, wire.Field{"b.c_d-e", "ü"},
	)
	e, err := wire.Decode(append(h, wire.Field{"a", "3"}), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"a": "2", "limit": strings.Repeat("x", 4096), strings.Repeat("k", 128): "x", "b.c_d-e": "ü",
	}, e.Metadata, "the first of each name") // header() replaced 1 by 2

	h = header(wire.Field{"ce_x", strings.Repeat("x", 4000)}, wire.Field{"ce_partitionkey", "o"})
	for i := range 100 {
		h = append(h, wire.Field{fmt.Sprintf("m%d", i), strings.Repeat("x", i*10)})
	}
	e, err = wire.Decode(h, nil)
	require.NoError(t, err, "too much metadata is left out")
	require.Contains(t, e.Metadata, "m0")
	require.NotContains(t, e.Metadata, "m99")

	h = header()
	for i := range 100 {
		h = append(h, wire.Field{fmt.Sprintf("m%d", i), ""})
	}
	e, err = wire.Decode(h, nil)
	require.NoError(t, err)
	require.Len(t, e.Metadata, 64)
}

func TestDecodeTakesMetadataFromBothPlaces(t *testing.T) {
	want := full()
	e, err := wire.Decode([]wire.Field{
		{"content-type", "application/cloudevents+json"}, {"ce_id", "ignored"}, {"b_2", "other"}, {"new", "1"},
	}, wire.AppendJSON(nil, &want))
	require.NoError(t, err)
	requireSame(t, want.WithMetadata("new", "1"), e)

	e, err = wire.Decode([]wire.Field{{"content-type", "application/cloudevents+json"}},
		[]byte(`{"specversion":"1.0","id":"1","type":"a","source":"s","subject":"o","partitionkey":"o","x":1}`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"x": "1"}, e.Extensions)

	e, err = wire.Decode(header(wire.Field{"ce_eventbusmetadata", `{"a":"b"}`}, wire.Field{"c", "d"}), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "b", "c": "d"}, e.Metadata)
}

// The limits of metadata are the root package's, which Decode must not exceed
// and Encode's output must not hit.
func TestDecodeKeepsEventsAtTheLimits(t *testing.T) {
	e := small()
	e.AggregateID = "o"
	for i := range 32 {
		e = e.WithMetadata(fmt.Sprintf("m%02d", i), strings.Repeat("m", 253)).WithExtension(fmt.Sprintf("x%02d", i), strings.Repeat("x", 253))
	}
	require.NoError(t, e.Validate())
	got, err := wire.Decode(wire.Encode(&e))
	require.NoError(t, err)
	requireSame(t, e, got)
	e = e.WithMetadata("m00", strings.Repeat("m", 254))
	require.Error(t, e.Validate())
	got, err = wire.Decode(wire.Encode(&e))
	require.NoError(t, err)
	require.Len(t, got.Metadata, 31)
}
