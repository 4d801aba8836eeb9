package wire

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/media"
)

// AppendJSON writes a valid event in structured mode, as one JSON object on one
// line, and returns the extended buffer. ParseJSON reads it back as the same
// event; a payload of JSON is written as it is, others as a string where they
// are text, and as base64 where that alone would keep every byte. Metadata, for
// which CloudEvents has no place, becomes the attribute eventbusmetadata: a
// string that holds a JSON object.
func AppendJSON(dst []byte, e *eventbus.DomainEvent) []byte {
	dst = append(dst, `{"specversion":"1.0"`...)
	for _, f := range [...]Field{
		{"id", e.ID},
		{"type", e.Type},
		{"source", e.Source},
		{"subject", e.AggregateID},
		{"time", stamp(e.Time)},
		{"datacontenttype", e.ContentType},
		{"dataschema", e.DataSchema},
		{"aggregatetype", e.AggregateType},
		{"correlationid", e.CorrelationID},
		{"causationid", e.CausationID},
		{"tenantid", e.TenantID},
		{"actorid", e.ActorID},
		{"expirytime", stamp(e.Expires)},
	} {
		if f.Value != "" {
			dst = appendQuoted(appendName(dst, f.Name), f.Value)
		}
	}
	dst = appendNumber(dst, "aggregateversion", e.AggregateVersion)
	dst = appendNumber(dst, "schemaversion", int64(e.SchemaVersion))
	for _, name := range sorted(e.Extensions) {
		if name != metadataName {
			dst = appendQuoted(appendName(dst, name), e.Extensions[name])
		}
	}
	if len(e.Metadata) > 0 {
		dst = appendMetadata(appendName(dst, metadataName), e.Metadata)
	}
	return append(appendPayload(dst, e.ContentType, e.Data()), '}')
}

func appendName(dst []byte, name string) []byte {
	return append(appendQuoted(append(dst, ','), name), ':')
}

// appendNumber writes an integer, as a string where it is beyond those of
// CloudEvents, which end at 32 bits.
func appendNumber(dst []byte, name string, n int64) []byte {
	switch {
	case n == 0:
		return dst
	case n > math.MaxInt32 || n < math.MinInt32:
		return appendQuoted(appendName(dst, name), strconv.FormatInt(n, 10))
	default:
		return strconv.AppendInt(appendName(dst, name), n, 10)
	}
}

func appendPayload(dst []byte, contentType string, body []byte) []byte {
	switch {
	case len(body) == 0:
		return dst
	case media.IsJSON(contentType) && isOneLine(body) && checkJSON(body) == nil:
		return append(appendName(dst, "data"), body...)
	case contentType != "" && !media.IsJSON(contentType) && utf8.Valid(body):
		return appendQuoted(appendName(dst, "data"), string(body))
	default:
		dst = append(appendName(dst, "data_base64"), '"')
		return append(base64.StdEncoding.AppendEncode(dst, body), '"')
	}
}

// isOneLine reports whether the bytes can stand within a line of JSON and be
// told from what surrounds them.
func isOneLine(body []byte) bool {
	return bytes.IndexByte(body, '\n') < 0 && bytes.IndexByte(body, '\r') < 0 && len(bytes.TrimSpace(body)) == len(body)
}
