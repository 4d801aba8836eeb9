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
	fields := [...]Field{
		{"ce_specversion", specVersion},
		{"ce_id", e.ID},
		{"ce_type", e.Type},
		{"ce_source", e.Source},
		{"ce_subject", e.AggregateID},
		{"ce_time", stamp(e.Time)},
		{contentTypeName, e.ContentType},
		{"ce_dataschema", e.DataSchema},
		{"ce_aggregatetype", e.AggregateType},
		{"ce_aggregateversion", number(e.AggregateVersion)},
		{"ce_schemaversion", number(int64(e.SchemaVersion))},
		{"ce_partitionkey", defaultKey(e)},
		{"ce_correlationid", e.CorrelationID},
		{"ce_causationid", e.CausationID},
		{"ce_tenantid", e.TenantID},
		{"ce_actorid", e.ActorID},
		{"ce_expirytime", stamp(e.Expires)},
	}
	n := len(e.Extensions) + len(e.Metadata)
	for i := range fields {
		if fields[i].Value != "" {
			n++
		}
	}
	header = make([]Field, 0, n)
	for i := range fields {
		if fields[i].Value != "" {
			header = append(header, fields[i])
		}
	}
	for _, name := range sorted(e.Extensions) {
		if name != metadataName {
			header = append(header, Field{attributePrefix + name, e.Extensions[name]})
		}
	}
	for _, key := range sorted(e.Metadata) {
		header = append(header, Field{key, e.Metadata[key]})
	}
	return header, e.Data()
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
