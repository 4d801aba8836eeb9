package wire_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func small() eventbus.DomainEvent {
	return eventbus.DomainEvent{ID: "1", Type: "order.created", Source: "/shop", AggregateType: "order"}
}

func full() eventbus.DomainEvent {
	return eventbus.DomainEvent{
		ID: "0190", Type: "order.created", Source: "/shop?a=\"b\"", AggregateType: "sale", AggregateID: "o-ä\\1",
		AggregateVersion: math.MaxInt64, SchemaVersion: 3, DataSchema: "https://example.org/s", Time: noon,
		CorrelationID: "c", CausationID: "d", TenantID: "t", ActorID: "a", Expires: noon.Add(time.Hour),
		Metadata:   map[string]string{"x-request.id": "a \"quoted\" 💡", "empty": "", "b_2": "2"},
		Extensions: map[string]string{"traceparent": "00-1-2-01", "empty": "", "partitionkey": "own"},
	}.WithData("application/json", []byte(`{"n":9007199254740993, "s":"\u00e4"}`))
}

// arbitrary returns a valid event.
func arbitrary(r *rand.Rand) eventbus.DomainEvent {
	word := func() string {
		all := []string{"", "a", "ü\"\\/", "  ", "0", "ab<>&\u2028", strings.Repeat("é", 90), "💡"}
		return all[r.IntN(len(all))]
	}
	e := small()
	e.ID, e.Source, e.AggregateID, e.DataSchema = "i"+word(), "s"+word(), word(), word()
	e.CorrelationID, e.CausationID, e.TenantID, e.ActorID = word(), word(), word(), word()
	e.AggregateVersion = r.Int64() >> r.IntN(63)
	e.SchemaVersion = int(r.Int32() >> r.IntN(31))
	if r.IntN(2) == 0 {
		e.Time = time.Unix(r.Int64N(200e9)-40e9, r.Int64N(1e9)).UTC()
		e.Expires = e.Time.Add(time.Duration(r.Int64N(1e15)))
	}
	for i := range r.IntN(4) {
		e = e.WithMetadata(fmt.Sprintf("m.%d", i), word()).WithExtension(fmt.Sprintf("x%d", i), word())
	}
	payloads := []struct{ contentType, data string }{
		{"", ""}, {"", "\x00\xff"}, {"text/plain", "a\n\t\x01 ü"}, {"image/png", "\x89PNG\xff"}, {"application/json", ""},
		{"application/json", "null"}, {"application/json", " {\n} "}, {"application/vnd.x+json; v=1", `[1.50,"\ud83d"]`}, {"text/json", `"s"`},
	}
	p := payloads[r.IntN(len(payloads))]
	return e.WithData(p.contentType, []byte(p.data))
}

func requireSame(t *testing.T, want, got eventbus.DomainEvent) {
	t.Helper()
	require.Equal(t, string(want.Data()), string(got.Data()))
	require.Equal(t, want.WithData(want.ContentType, nil), got.WithData(got.ContentType, nil))
}

func sizeOf(header []wire.Field, body []byte) int {
	n := len(body)
	for _, f := range header {
		n += len(f.Name) + len(f.Value)
	}
	return n
}

func value(h []wire.Field, name string) string {
	for _, f := range h {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func TestRoundTrips(t *testing.T) {
	events := []eventbus.DomainEvent{small(), full()}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		events = append(events, arbitrary(r))
	}
	for _, e := range events {
		require.NoError(t, e.Validate())
		header, body := wire.Encode(&e)
		require.Len(t, header, cap(header))
		got, err := wire.Decode(header, body)
		require.NoError(t, err)
		requireSame(t, e, got)

		line := wire.AppendJSON([]byte("x"), &e)
		require.NotContains(t, string(line), "\n")
		got, err = wire.ParseJSON(line[1:])
		require.NoError(t, err, "%s", line)
		requireSame(t, e, got)

		got, err = wire.Decode([]wire.Field{{"content-type", "application/CloudEvents+json; charset=utf-8"}}, line[1:])
		require.NoError(t, err)
		requireSame(t, e, got)
	}
}

func TestEncodeNamesAndOrder(t *testing.T) {
	e := full()
	header, body := wire.Encode(&e)
	require.Equal(t, []wire.Field{
		{"ce_specversion", "1.0"},
		{"ce_id", "0190"},
		{"ce_type", "order.created"},
		{"ce_source", "/shop?a=\"b\""},
		{"ce_subject", "o-ä\\1"},
		{"ce_time", "2026-03-01T12:00:00.123456789Z"},
		{"content-type", "application/json"},
		{"ce_dataschema", "https://example.org/s"},
		{"ce_aggregatetype", "sale"},
		{"ce_aggregateversion", "9223372036854775807"},
		{"ce_schemaversion", "3"},
		{"ce_correlationid", "c"},
		{"ce_causationid", "d"},
		{"ce_tenantid", "t"},
		{"ce_actorid", "a"},
		{"ce_expirytime", "2026-03-01T13:00:00.123456789Z"},
		{"ce_empty", ""},
		{"ce_partitionkey", "own"},
		{"ce_traceparent", "00-1-2-01"},
		{"b_2", "2"},
		{"empty", ""},
		{"x-request.id", "a \"quoted\" 💡"},
	}, header)
	require.Same(t, &e.Data()[0], &body[0], "the body is not copied")

	e = small()
	header, _ = wire.Encode(&e)
	require.Len(t, header, 5, "empty fields are left out")
	e.AggregateID = "o"
	header, _ = wire.Encode(&e)
	require.Equal(t, "o", value(header, "ce_partitionkey"))
	e.Time = noon.In(time.FixedZone("", 7200))
	header, _ = wire.Encode(&e)
	require.Equal(t, "2026-03-01T12:00:00.123456789Z", value(header, "ce_time"))
}

func TestSizeIsNeverTooSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		e := arbitrary(r)
		slack := wire.Size(&e) - sizeOf(wire.Encode(&e))
		require.GreaterOrEqual(t, slack, 0)
		require.LessOrEqual(t, slack, 2*15)
	}
	e := full()
	require.Zero(t, testing.AllocsPerRun(100, func() { wire.Size(&e) }))
}

func TestEncodeDoesNotWriteTheReservedExtension(t *testing.T) {
	e := full().WithExtension("eventbusmetadata", "x")
	header, body := wire.Encode(&e)
	got, err := wire.Decode(header, body)
	require.NoError(t, err)
	requireSame(t, full(), got)
	got, err = wire.ParseJSON(wire.AppendJSON(nil, &e))
	require.NoError(t, err)
	requireSame(t, full(), got)
}
