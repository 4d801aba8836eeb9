package eventbus

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

const (
	maxTypeBytes     = 180
	maxIDBytes       = 200
	maxSourceBytes   = 1024
	maxHeaders       = 64
	maxHeaderKey     = 128
	maxHeaderValue   = 4 << 10
	maxHeaderBytes   = 16 << 10
	maxVersionNumber = 1<<31 - 1
)

// Validate returns everything that is wrong with the envelope, joined; each is a
// [ValidationError]. Publish calls it before anything is sent. The rules are
// those of docs/events.md.
func (e *DomainEvent) Validate() error {
	if e.Err() == nil && e.plainlyValid() && e.checkPayload() == nil {
		return nil
	}
	return e.explain()
}

// plainlyValid is the fast path: it decides as explain does, and says nothing.
func (e *DomainEvent) plainlyValid() bool {
	return isName(e.Type) && isWord(e.AggregateType) && len(e.AggregateType) <= maxTypeBytes &&
		e.ID != "" && isText(e.ID, maxIDBytes) && isText(e.AggregateID, maxIDBytes) &&
		isText(e.Source, maxSourceBytes) && isText(e.DataSchema, maxSourceBytes) &&
		isText(e.CorrelationID, maxIDBytes) && isText(e.CausationID, maxIDBytes) &&
		isText(e.TenantID, maxIDBytes) && isText(e.ActorID, maxIDBytes) && isText(e.ContentType, maxIDBytes) &&
		e.AggregateVersion >= 0 && e.SchemaVersion >= 0 && e.SchemaVersion <= maxVersionNumber &&
		validYear(e.Time) && validYear(e.Expires) &&
		(len(e.Metadata)+len(e.Extensions) == 0 || checkHeaders(e.Metadata, e.Extensions) == nil)
}

func (e *DomainEvent) explain() error {
	var errs []error
	if err := e.Err(); err != nil {
		errs = append(errs, err)
	} else if err := e.checkPayload(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, checkType(e.Type)...)
	if !isWord(e.AggregateType) || len(e.AggregateType) > maxTypeBytes {
		errs = append(errs, invalid("aggregate_type", "must be one word of [A-Za-z0-9_-]", excerpt.Of(e.AggregateType)))
	}
	if e.ID == "" {
		errs = append(errs, invalid("id", "required", ""))
	}
	for _, f := range []struct {
		name, value string
		limit       int
	}{
		{"id", e.ID, maxIDBytes},
		{"aggregate_id", e.AggregateID, maxIDBytes},
		{"source", e.Source, maxSourceBytes},
		{"data_schema", e.DataSchema, maxSourceBytes},
		{"correlation_id", e.CorrelationID, maxIDBytes},
		{"causation_id", e.CausationID, maxIDBytes},
		{"tenant_id", e.TenantID, maxIDBytes},
		{"actor_id", e.ActorID, maxIDBytes},
		{"content_type", e.ContentType, maxIDBytes},
	} {
		if !isText(f.value, f.limit) {
			errs = append(errs, invalid(f.name, fmt.Sprintf("must be at most %d bytes of UTF-8 without control characters", f.limit), excerpt.Of(f.value)))
		}
	}
	if e.AggregateVersion < 0 {
		errs = append(errs, invalid("aggregate_version", "must not be negative", fmt.Sprint(e.AggregateVersion)))
	}
	if e.SchemaVersion < 0 || e.SchemaVersion > maxVersionNumber {
		errs = append(errs, invalid("schema_version", "must be from 1, or 0 for none", fmt.Sprint(e.SchemaVersion)))
	}
	for name, t := range map[string]time.Time{"time": e.Time, "expires": e.Expires} {
		if !validYear(t) {
			errs = append(errs, invalid(name, "its year in UTC must be from 1 to 9999", fmt.Sprint(t.UTC().Year())))
		}
	}
	errs = append(errs, checkHeaders(e.Metadata, e.Extensions)...)
	return errors.Join(errs...)
}

func checkType(name string) []error {
	switch {
	case name == "":
		return []error{invalid("type", "required", "")}
	case !isName(name):
		return []error{invalid("type", "must be dotted words of [A-Za-z0-9_-], at most 180 bytes", excerpt.Of(name))}
	}
	return nil
}

func checkHeaders(metadata, extensions map[string]string) []error {
	var errs []error
	total := 0
	for k, v := range metadata {
		total += len(k) + len(v)
		switch {
		case !isHeaderKey(k):
			errs = append(errs, invalid("metadata", "a key must be 1 to 128 bytes of [a-z0-9._-]", excerpt.Of(k)))
		case strings.HasPrefix(k, "ce_") || strings.HasPrefix(k, "eventbus-") || k == "content-type":
			errs = append(errs, invalid("metadata", "the prefixes ce_ and eventbus- and content-type are reserved", excerpt.Of(k)))
		case !isText(v, maxHeaderValue):
			errs = append(errs, invalid("metadata."+k, "must be at most 4096 bytes of UTF-8 without control characters", excerpt.Of(v)))
		}
	}
	for k, v := range extensions {
		total += len(k) + len(v)
		switch {
		case !isAttribute(k):
			errs = append(errs, invalid("extensions", "a name must be 1 to 128 bytes of [a-z0-9]", excerpt.Of(k)))
		case IsAttribute(k):
			errs = append(errs, invalid("extensions", "this attribute has a field of its own", excerpt.Of(k)))
		case !isText(v, maxHeaderValue):
			errs = append(errs, invalid("extensions."+k, "must be at most 4096 bytes of UTF-8 without control characters", excerpt.Of(v)))
		}
	}
	if n := len(metadata) + len(extensions); n > maxHeaders {
		errs = append(errs, invalid("metadata", "at most 64 headers and extensions", fmt.Sprint(n)))
	}
	if total > maxHeaderBytes {
		errs = append(errs, invalid("metadata", "at most 16384 bytes of headers and extensions", fmt.Sprint(total)))
	}
	return errs
}

// IsAttribute reports whether name is a CloudEvents attribute that a field of
// DomainEvent holds, and so cannot be an extension; eventbusmetadata holds the
// metadata in CloudEvents JSON.
func IsAttribute(name string) bool {
	switch name {
	case "id", "type", "source", "specversion", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64", "database64",
		"aggregatetype", "aggregateversion", "schemaversion", "correlationid", "causationid", "tenantid", "actorid", "expirytime", "eventbusmetadata":
		return true
	}
	return false
}

// isName reports whether s is dotted words.
func isName(s string) bool {
	if s == "" || len(s) > maxTypeBytes {
		return false
	}
	word := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if word == 0 {
				return false
			}
			word = 0
		case wordByte[c]:
			word++
		default:
			return false
		}
	}
	return word > 0
}

func isWord(s string) bool {
	for i := range len(s) {
		if !wordByte[s[i]] {
			return false
		}
	}
	return s != ""
}

var wordByte = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" {
		t[c] = true
	}
	return t
}()

// isText reports whether s is at most limit bytes of UTF-8 without control
// characters.
func isText(s string, limit int) bool { return s == "" || len(s) <= limit && isSomeText(s) }

func isSomeText(s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			if c := s[i]; c < 0x20 || c >= 0x7f {
				return isForeignText(s)
			}
		}
		return true
	}
	// 8 bytes at a time, the last ones overlapping those before: each of three sums
	// carries into the highest bit of a byte that is not printable ASCII.
	const ones, high = 0x0101010101010101, 0x8080808080808080
	var odd uint64
	for i := 0; i < len(s); i += 8 {
		p := s[min(i, len(s)-8):]
		_ = p[7]
		x := uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
		below := (x - 0x20*ones) & ^x // borrows where a byte is below 0x20
		above := x + 0x01*ones        // carries where it is 0x7f
		odd |= below | above | x
	}
	return odd&high == 0 || isForeignText(s)
}

func isForeignText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 })
}

func isHeaderKey(s string) bool { return only(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") }
func isAttribute(s string) bool { return only(s, "abcdefghijklmnopqrstuvwxyz0123456789") }

func only(s, charset string) bool {
	if s == "" || len(s) > maxHeaderKey {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(charset, s[i]) < 0 {
			return false
		}
	}
	return true
}

// validYear reports whether the year of t in UTC is from 1 to 9999.
func validYear(t time.Time) bool {
	const first, last = -62_135_596_800, 253_402_300_799 // seconds since 1970
	at := t.Unix()
	return at >= first && at <= last
}

func firstWord(name string) string {
	word, _, _ := strings.Cut(name, ".")
	return word
}
