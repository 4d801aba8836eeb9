package wire_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// check holds a decoded event to the promises that every accepted event keeps.
func check(t *testing.T, e eventbus.DomainEvent) {
	require.NoError(t, e.Validate())
	line := wire.AppendJSON(nil, &e)
	require.True(t, json.Valid(line), "%s", line)
	require.NotContains(t, string(line), "\n")
	got, err := wire.ParseJSON(line)
	require.NoError(t, err, "%s", line)
	requireSame(t, e, got)

	if media, _, _ := strings.Cut(e.ContentType, ";"); strings.EqualFold(strings.TrimSpace(media), "application/cloudevents+json") {
		return // in binary mode this content type cannot be told from structured mode
	}
	header, body := wire.Encode(&e)
	require.GreaterOrEqual(t, wire.Size(&e), sizeOf(header, body))
	got, err = wire.Decode(header, body)
	require.NoError(t, err)
	if key, ok := e.Extensions["partitionkey"]; ok && key == e.AggregateID {
		e.Extensions = maps.Clone(e.Extensions)
		if delete(e.Extensions, "partitionkey"); len(e.Extensions) == 0 {
			e.Extensions = nil
		}
	}
	requireSame(t, e, got)
}

// permit is an event of a real log, of a municipality's permits.
const permit = `{"specversion":"1.0","id":"task-4","type":"permit.confirmation_of_receipt","source":"/permits/wabo","subject":"case-891",` +
	`"time":"2010-10-02T09:20:39.266+02:00","datacontenttype":"application/json","aggregatetype":"permit","aggregateversion":1,` +
	`"data":{"activity":"Confirmation of receipt","group":"Group 1","resource":"Resource26","channel":"Internet","department":"General","responsible":"Resource26"}}`

func FuzzDecode(f *testing.F) {
	f.Add("permit.t06_determine_necessity_of_stop_advice", "2010-10-02T09:20:39.266+02:00", "7", "application/cloudevents+json", []byte(permit), "ce_aggregatetype", "permit")
	f.Add("order.created", "2026-03-01T12:00:00Z", "1", "application/json", []byte(`{"a":1}`), "x-key", "v")
	f.Add("order", "", "", "text/plain", []byte("a"), "ce_partitionkey", "o")
	f.Add("order", "", "", "application/cloudevents+json", object(`"data":1`), "ce_eventbusmetadata", `{"a":"b"}`)
	f.Fuzz(func(t *testing.T, name, at, version, contentType string, body []byte, key, value string) {
		h := []wire.Field{{"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_type", name}, {"ce_source", "/"}, {"ce_subject", "o"}, {key, value}}
		for _, f := range []wire.Field{{"ce_time", at}, {"ce_aggregateversion", version}, {"content-type", contentType}} {
			if f.Value != "" {
				h = append(h, f)
			}
		}
		wire.ReadFacts(h)
		e, err := wire.Decode(h, body)
		if err != nil {
			require.ErrorIs(t, err, eventbus.ErrUndecodable)
			return
		}
		if contentType == "application/json" && len(body) > 0 {
			require.True(t, json.Valid(body))
		}
		check(t, e)
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(permit))
	f.Add(object(`"data":{"a":[1,2.5e3,"\u00e4",null,true]},"x":7`))
	f.Add(object(`"data_base64":"AP8=","time":"2010-10-02T09:20:39.266+02:00"`))
	f.Add(object(`"datacontenttype":"text/plain","data":"a\n","eventbusmetadata":"{\"k\":\"v\"}"`))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := wire.ParseJSON(in)
		if err != nil {
			require.ErrorIs(t, err, eventbus.ErrUndecodable)
			return
		}
		var std struct {
			ID, Type, Source, Subject string
			Data                      json.RawMessage
		}
		require.NoError(t, json.Unmarshal(in, &std))
		require.Equal(t, [4]string{std.ID, std.Type, std.Source, std.Subject}, [4]string{e.ID, e.Type, e.Source, e.AggregateID})
		if e.ContentType == "application/json" && std.Data != nil && string(std.Data) != "null" {
			require.Equal(t, string(std.Data), string(e.Data()))
		}
		check(t, e)
	})
}

// FuzzPayload compares the check of JSON payloads with encoding/json.
func FuzzPayload(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5E+3,"\u00e4\n"],"b":{}}`, ` null `, `[1,]`, `{"a":1,}`, `01`, "\"\xff\"", nested(1000), nested(1001)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		_, err := wire.Decode(header(wire.Field{"content-type", "application/json"}), in)
		if len(in) == 0 || err != nil && strings.Contains(err.Error(), "1000 levels") {
			return
		}
		require.Equal(t, utf8.Valid(in) && json.Valid(in), err == nil, "%v", err)
	})
}
