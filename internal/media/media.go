// Package media tells kinds of content types apart, by RFC 6838 and, for
// CloudEvents, by https://github.com/cloudevents/spec, version 1.0.2.
package media

import "strings"

const plainJSON = "application/json"

// IsJSON reports whether content of the type is JSON: application/json, or a
// subtype "json" or "…+json", in any case and with any parameters.
func IsJSON(contentType string) bool {
	if contentType == plainJSON {
		return true
	}
	_, subtype, _ := strings.Cut(base(contentType), "/")
	return subtype == "json" || strings.HasSuffix(subtype, "+json")
}

// IsStructured reports whether content of the type is one whole event in JSON.
func IsStructured(contentType string) bool {
	return contentType != plainJSON && base(contentType) == "application/cloudevents+json"
}

// IsCloudEvents reports whether content of the type is one whole event or a
// batch of them, in any format, and so cannot be a payload.
func IsCloudEvents(contentType string) bool {
	return contentType != plainJSON && strings.HasPrefix(base(contentType), "application/cloudevents")
}

func base(contentType string) string {
	base, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(base))
}
