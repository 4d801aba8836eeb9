package wire_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// FuzzEnvelope makes events of arbitrary fields: what Validate takes comes back from
// every form as it was; what it refuses does not come out of the decoder.
func FuzzEnvelope(f *testing.F) {
	f.Add("1", "order.created", "order", "/shop", "o-1", "corr", "text/plain", int64(1), int64(1_772_366_400), int64(5), []byte("a\n"))
	f.Add("task-4", "permit.confirmation_of_receipt", "permit", "/permits/wabo", "case-891", "", "application/json", int64(1), int64(1_286_011_239), int64(266_000_000),
		[]byte(`{"activity":"Confirmation of receipt","group":"Group 1","resource":"Resource26"}`))
	f.Add("", "", "", "", "", "", "", int64(0), int64(0), int64(0), []byte(nil))
	f.Add("\u0085", "a..b", "a.b", "\x00", "o\r\n", "\xff", "application/cloudevents+json; a=b", int64(-1), int64(253_402_300_800), int64(-1), []byte("{"))
	f.Add(strings.Repeat("x", 201), strings.Repeat("a", 181), "A_-", strings.Repeat("é", 513), "💡", "\u2028", "application/x+json", int64(1<<53+1), int64(-62_135_596_800), int64(1), []byte("9007199254740993"))
	f.Fuzz(func(t *testing.T, id, name, aggregate, source, subject, text, contentType string, version, seconds, nanos int64, body []byte) {
		e := eventbus.DomainEvent{
			ID: id, Type: name, Source: source, AggregateType: aggregate, AggregateID: subject, AggregateVersion: version, SchemaVersion: int(version),
			DataSchema: text, Time: time.Unix(seconds, nanos).UTC(), Expires: time.Unix(nanos, seconds).UTC(),
			CorrelationID: text, CausationID: text, TenantID: text, ActorID: text,
		}.WithData(contentType, body)
		err := e.Validate()
		if err != nil {
			require.ErrorIs(t, err, eventbus.ErrInvalid)
		}
		if err == nil && source != "" { // Publish sets a source
			check(t, e)
			return
		}
		header, body := wire.Encode(&e)
		if got, err := wire.Decode(header, body); err == nil {
			check(t, got)
		}
		if got, err := wire.ParseJSON(wire.AppendJSON(nil, &e)); err == nil {
			check(t, got)
		}
	})
}

var (
	metadataKey   = regexp.MustCompile(`\A[a-z0-9._-]{1,128}\z`)
	extensionName = regexp.MustCompile(`\A[a-z0-9]{1,128}\z`)
	withField     = regexp.MustCompile(`\A(id|type|source|specversion|subject|time|data|datacontenttype|dataschema|database64|` +
		`aggregatetype|aggregateversion|schemaversion|correlationid|causationid|tenantid|actorid|expirytime|eventbusmetadata)\z`)
	reserved = regexp.MustCompile(`\A(ce_|eventbus-|content-type\z)`)
	control  = regexp.MustCompile(`[\x{00}-\x{1f}\x{7f}-\x{9f}]`)
)

func isValue(s string) bool { return len(s) <= 4096 && utf8.ValidString(s) && !control.MatchString(s) }

// FuzzHeaders holds metadata and extensions against their rules as docs/events.md
// has them, and what is legal against every form.
func FuzzHeaders(f *testing.F) {
	for _, s := range []struct{ key, value, name, text string }{
		{"channel", "web", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		{"x-request.id", "a \"quoted\" 💡", "partitionkey", "o"},
		{"", "", "", ""},
		{"a b", "x", "My_Ext", "x"},
		{"X-Upper", "x", "id", "2"},
		{"key\r\n", "a\r\nb: c", "x", "\x00"},
		{"eventbus-attempts", "9", "eventbusmetadata", "{}"},
		{"ce_id", "2", "database64", "MQ=="},
		{"content-type", "text/plain", "data", "1"},
		{"content-types", "\u0085", "ids", "\xff\xfe"},
		{"cloudevents_id", "\u2028<>&", "aggregateid", `\"`},
		{strings.Repeat("k", 128), strings.Repeat("v", 4096), strings.Repeat("n", 129), strings.Repeat("é", 2049)},
	} {
		f.Add(s.key, s.value, "x", "1", uint8(0))
		f.Add("k", "v", s.name, s.text, uint8(0))
		f.Add(s.key, s.value, s.name, s.text, uint8(1))
	}
	for _, more := range []uint8{61, 62, 63, 123, 124} { // up to 64 entries; size and key length have bounds too
		f.Add("k", "v", "x", "1", more)
	}
	for _, n := range []int{4092, 4093, 4094} { // 16,384 bytes, and one less and more
		f.Add("k", strings.Repeat("v", 4092), "x", strings.Repeat("v", n), uint8(2))
	}
	f.Fuzz(func(t *testing.T, key, value, name, text string, more uint8) {
		e := small().WithMetadata(key, value).WithExtension(name, text)
		size := len(key) + len(value) + len(name) + len(text)
		for i := range int(more) {
			k, v := "more."+strings.Repeat("x", i+1), value
			if k == key {
				return
			}
			e.Metadata[k] = v
			size += len(k) + len(v)
		}
		legal := metadataKey.MatchString(key) && !reserved.MatchString(key) && isValue(value) &&
			extensionName.MatchString(name) && !withField.MatchString(name) && isValue(text) &&
			int(more)+2 <= 64 && int(more)+len("more.") <= 128 && size <= 16<<10
		err := e.Validate()
		require.Equal(t, legal, err == nil, "%q: %q, %q: %q, %d bytes, %d more: %v", key, value, name, text, size, more, err)
		if err != nil {
			require.ErrorIs(t, err, eventbus.ErrInvalid)
			header, body := wire.Encode(&e)
			if got, err := wire.Decode(header, body); err == nil { // what is foreign is left out
				check(t, got)
			} else {
				require.ErrorIs(t, err, eventbus.ErrUndecodable)
			}
			return
		}
		check(t, e)
	})
}

// FuzzFacts: our own headers never fail, are read back as they were written, and
// leave no trace in the event.
func FuzzFacts(f *testing.F) {
	f.Add("eventbus-attempts", "3", "eventbus-first-failure", "2026-03-01T12:00:00Z", "order/1/2", 1)
	f.Add("eventbus-crashes", "-1", "eventbus-replays", "99999999999999999999", "", -1)
	f.Add("eventbus-first-failure", "9999-12-31T23:59:59-01:00", "eventbus-letter", "\x00\xff", "\r\n", 1<<31)
	f.Add("eventbus-first-failure", "0001-01-01T00:00:00Z", "eventbus-", "", "x", 0)
	f.Add("eventbus-first-failure", "0000-01-01T00:00:00+01:00", "Eventbus-attempts", "+1", "x", 7)
	f.Fuzz(func(t *testing.T, name, value, name2, value2, text string, n int) {
		read := wire.ReadFacts([]wire.Field{{name, value}, {"ce_id", "1"}, {name2, value2}})
		require.False(t, read.Attempts < 0 || read.Replays < 0 || read.Crashes < 0)
		made := wire.Facts{Attempts: max(n, 0), First: read.First, Origin: text, Replays: max(-(n + 1), 0), Letter: text, Crashes: max(n, 0)}
		for _, facts := range []wire.Facts{read, made} {
			h := facts.Append(header())
			require.Equal(t, facts, wire.ReadFacts(h))
			require.Equal(t, header(), wire.StripFacts(h))
			e, err := wire.Decode(h, nil)
			require.NoError(t, err)
			require.Nil(t, e.Metadata)
		}
	})
}
