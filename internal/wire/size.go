package wire

import (
	"time"

	"github.com/seed-28af575d/eventbus"
)

// maxTime is a bound on the length of a time of RFC 3339.
const maxTime = len(time.RFC3339Nano)

// Size returns how many bytes Encode makes of a valid event: the names and values
// of its headers, and its body. It is never too small, and too large only by
// what a time falls short of its longest form. It does not allocate.
func Size(e *eventbus.DomainEvent) int {
	n := len(e.Data()) + len("ce_specversion") + len(specVersion)
	n += text("ce_id", e.ID) + text("ce_type", e.Type) + text("ce_source", e.Source)
	n += text("ce_subject", e.AggregateID) + text("ce_partitionkey", defaultKey(e))
	n += text(contentTypeName, e.ContentType) + text("ce_dataschema", e.DataSchema)
	n += text("ce_aggregatetype", e.AggregateType)
	n += text("ce_correlationid", e.CorrelationID) + text("ce_causationid", e.CausationID)
	n += text("ce_tenantid", e.TenantID) + text("ce_actorid", e.ActorID)
	n += digits("ce_aggregateversion", e.AggregateVersion) + digits("ce_schemaversion", int64(e.SchemaVersion))
	if !e.Time.IsZero() {
		n += len("ce_time") + maxTime
	}
	if !e.Expires.IsZero() {
		n += len("ce_expirytime") + maxTime
	}
	for name, value := range e.Extensions {
		n += len(attributePrefix) + len(name) + len(value)
	}
	for key, value := range e.Metadata {
		n += len(key) + len(value)
	}
	return n
}

func text(name, value string) int {
	if value == "" {
		return 0
	}
	return len(name) + len(value)
}

func digits(name string, n int64) int {
	if n == 0 {
		return 0
	}
	length := len(name)
	if n < 0 {
		length++
	}
	for ; n != 0; n /= 10 {
		length++
	}
	return length
}
