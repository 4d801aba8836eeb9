package wire_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

func parsed(t *testing.T, in []byte) []wire.Field {
	t.Helper()
	h, err := wire.ParseHeader(in)
	require.NoError(t, err, "%s", in)
	return h
}

func TestAppendHeaderForm(t *testing.T) {
	e := full()
	h, _ := wire.Encode(&e)
	h = wire.Facts{Attempts: 2, Origin: "order/1/2"}.Append(h)
	want := `{"specversion":"1.0","id":"0190","type":"order.created","source":"/shop?a=\"b\"","subject":"o-ä\\1",` +
		`"time":"2026-03-01T12:00:00.123456789Z","datacontenttype":"application/json","dataschema":"https://example.org/s",` +
		`"aggregatetype":"sale","aggregateversion":"9223372036854775807","schemaversion":"3","correlationid":"c","causationid":"d",` +
		`"tenantid":"t","actorid":"a","expirytime":"2026-03-01T13:00:00.123456789Z","empty":"","partitionkey":"own",` +
		`"traceparent":"00-1-2-01","eventbus-attempts":"2","eventbus-origin":"order/1/2",` +
		`"eventbus-metadata":{"b_2":"2","empty":"","x-request.id":"a \"quoted\" 💡"}}`
	require.Equal(t, "x"+want, string(wire.AppendHeader([]byte("x"), h)), "byte for byte")
	require.Equal(t, append(append([]wire.Field{}, h[:19]...), h[22], h[23], h[19], h[20], h[21]), parsed(t, []byte(want)), "metadata last")
	require.Equal(t, `{}`, string(wire.AppendHeader(nil, nil)))
	require.Empty(t, parsed(t, []byte(`{}`)))
}

// What only looks like an attribute or one of ours must neither break the object
// nor become another field on the way.
func TestHeadersOfOddNamesComeBack(t *testing.T) {
	long := strings.Repeat("n", 129)
	for _, c := range []struct {
		name, value string
		want        string
	}{
		{"a", "1", `{"eventbus-metadata":{"a":"1"}}`},
		{"id", "1", `{"eventbus-metadata":{"id":"1"}}`},
		{"datacontenttype", "1", `{"eventbus-metadata":{"datacontenttype":"1"}}`},
		{"", "", `{"eventbus-metadata":{"":""}}`},
		{"\"\\\n", "\x00\x1f\u007f\u0085\u2028", `{"eventbus-metadata":{"\"\\\n":"\u0000\u001f` + "\u007f\u0085\u2028" + `"}}`},
		{"Content-Type", "1", `{"eventbus-metadata":{"Content-Type":"1"}}`},
		{"content-type", "a/b", `{"datacontenttype":"a/b"}`},
		{"ce_datacontenttype", "1", `{"eventbus-metadata":{"ce_datacontenttype":"1"}}`},
		{"ce_content-type", "1", `{"eventbus-metadata":{"ce_content-type":"1"}}`},
		{"ce_data", "1", `{"eventbus-metadata":{"ce_data":"1"}}`},
		{"ce_data_base64", "1", `{"eventbus-metadata":{"ce_data_base64":"1"}}`},
		{"ce_database64", "1", `{"eventbus-metadata":{"ce_database64":"1"}}`},
		{"ce_", "1", `{"eventbus-metadata":{"ce_":"1"}}`},
		{"ce_Id", "1", `{"eventbus-metadata":{"ce_Id":"1"}}`},
		{"ce_a-b", "1", `{"eventbus-metadata":{"ce_a-b":"1"}}`},
		{"ce_" + long, "1", `{"eventbus-metadata":{"ce_` + long + `":"1"}}`},
		{"ce_" + long[:128], "1", `{"` + long[:128] + `":"1"}`},
		{"ce_eventbusmetadata", "{}", `{"eventbusmetadata":"{}"}`},
		{"ce_partitionkey", "1", `{"partitionkey":"1"}`},
		{"ce_eventbus-attempts", "1", `{"eventbus-metadata":{"ce_eventbus-attempts":"1"}}`},
		{"eventbus-metadata", "1", `{"eventbus-metadata":{"eventbus-metadata":"1"}}`},
		{"eventbus-attempts", "1", `{"eventbus-attempts":"1"}`},
		{"eventbus-", "1", `{"eventbus-":"1"}`},
		{"eventbus-new.fact_1", "1", `{"eventbus-new.fact_1":"1"}`},
		{"eventbus-Fact", "1", `{"eventbus-metadata":{"eventbus-Fact":"1"}}`},
		{"eventbus-" + long, "1", `{"eventbus-metadata":{"eventbus-` + long + `":"1"}}`},
	} {
		h := []wire.Field{{c.name, c.value}}
		require.Equal(t, c.want, string(wire.AppendHeader(nil, h)))
		require.Equal(t, h, parsed(t, []byte(c.want)))
	}
}

func TestAppendHeaderNeverWritesANameTwice(t *testing.T) {
	for want, h := range map[string][]wire.Field{
		`{"id":"1","x":"1"}`: {{"ce_id", "1"}, {"ce_x", "1"}, {"ce_id", "2"}, {"ce_x", "2"}},
		`{"eventbus-a":"1"}`: {{"eventbus-a", "1"}, {"eventbus-a", "2"}},
		`{"datacontenttype":"1","eventbus-metadata":{"ce_datacontenttype":"2"}}`: {{"content-type", "1"}, {"ce_datacontenttype", "2"}, {"content-type", "3"}},
		`{"eventbus-metadata":{"a":"1","b":"2","eventbus-metadata":"3"}}`:        {{"a", "1"}, {"b", "2"}, {"a", "3"}, {"eventbus-metadata", "3"}},
		`{"x":"a�b","eventbus-metadata":{"k�":"1","ce_�":"1"}}`:                  {{"ce_x", "a\xff\xfeb"}, {"k\xff", "1"}, {"k\xfe", "2"}, {"ce_\xff", "1"}, {"ce_\xed\xa0\x80", "2"}},
	} {
		before := append([]wire.Field{}, h...)
		require.Equal(t, want, string(wire.AppendHeader(nil, h)))
		require.Equal(t, before, h, "the header given is not changed")
	}
}

func TestHeaderRoundTrips(t *testing.T) {
	permit, err := wire.ParseJSON([]byte(permit))
	require.NoError(t, err)
	events := []eventbus.DomainEvent{small(), full(), permit}
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		events = append(events, arbitrary(r))
	}
	facts := wire.Facts{Attempts: 3, First: noon, Origin: "order/1/2", Replays: 1, Letter: "l", Crashes: 2}
	for _, e := range events {
		h, body := wire.Encode(&e)
		in := wire.AppendHeader(nil, h)
		require.True(t, json.Valid(in))
		require.Equal(t, h, parsed(t, in))
		moved := parsed(t, wire.AppendHeader(nil, facts.Append(h)))
		require.Equal(t, facts, wire.ReadFacts(moved))
		require.Equal(t, h, wire.StripFacts(moved))
		got, err := wire.Decode(moved, body)
		require.NoError(t, err)
		requireSame(t, e, got)
	}
}

func TestHeadersDoNotAllocateMoreThanTheyMust(t *testing.T) {
	e := full().WithMetadata("x-request.id", "plain")
	e.Source, e.AggregateID = "/shop", "o-ä"
	h, _ := wire.Encode(&e)
	h = wire.Facts{Attempts: 1, First: noon, Origin: "order/1/2"}.Append(h)
	in := wire.AppendHeader(nil, h)
	require.Zero(t, testing.AllocsPerRun(100, func() { in = wire.AppendHeader(in[:0], h) }))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = wire.ParseHeader(in) }), 2.0, "the fields, and one string for all of them")
	require.Equal(t, len(h), cap(parsed(t, in)))
}
