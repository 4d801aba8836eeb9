package wire

import (
	"slices"

	"github.com/seed-28af575d/eventbus"
)

// Encode writes a valid event in binary mode: its attributes and metadata as
// headers, its payload as body. Fields that are empty are left out. The header
// is the caller's; the body is the event's and must not be changed. What Encode
// writes, Decode reads back as the same event.
func Encode(e *eventbus.DomainEvent) (header []Field, body []byte) {
	var most [usual]Field
	fields := AppendFields(most[:0], e)
	header = make([]Field, len(fields))
	copy(header, fields)
	return header, e.Data()
}

// usual is how many fields an event has at most without extensions and metadata.
const usual = 17

// AppendFields writes the header that Encode does, and returns the extended slice.
func AppendFields(dst []Field, e *eventbus.DomainEvent) []Field {
	dst = appendText(dst, "ce_specversion", specVersion)
	dst = appendText(dst, "ce_id", e.ID)
	dst = appendText(dst, "ce_type", e.Type)
	dst = appendText(dst, "ce_source", e.Source)
	dst = appendText(dst, "ce_subject", e.AggregateID)
	dst = appendText(dst, "ce_time", stamp(e.Time))
	dst = appendText(dst, contentTypeName, e.ContentType)
	dst = appendText(dst, "ce_dataschema", e.DataSchema)
	dst = appendText(dst, "ce_aggregatetype", e.AggregateType)
	dst = appendText(dst, "ce_aggregateversion", number(e.AggregateVersion))
	dst = appendText(dst, "ce_schemaversion", number(int64(e.SchemaVersion)))
	dst = appendText(dst, "ce_partitionkey", defaultKey(e))
	dst = appendText(dst, "ce_correlationid", e.CorrelationID)
	dst = appendText(dst, "ce_causationid", e.CausationID)
	dst = appendText(dst, "ce_tenantid", e.TenantID)
	dst = appendText(dst, "ce_actorid", e.ActorID)
	dst = appendText(dst, "ce_expirytime", stamp(e.Expires))
	for _, name := range sorted(e.Extensions) {
		if name != metadataName {
			dst = append(dst, Field{attributePrefix + name, e.Extensions[name]})
		}
	}
	for _, key := range sorted(e.Metadata) {
		dst = append(dst, Field{key, e.Metadata[key]})
	}
	return dst
}

// defaultKey is the partition key of an event that does not name one itself.
func defaultKey(e *eventbus.DomainEvent) string {
	if len(e.Extensions) > 0 {
		if _, ok := e.Extensions[partitionKey]; ok {
			return ""
		}
	}
	return e.AggregateID
}

func sorted(m map[string]string) []string {
	if len(m) == 0 {
		return nil
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
