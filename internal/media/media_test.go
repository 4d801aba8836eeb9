package media_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/media"
)

func TestKinds(t *testing.T) {
	for contentType, want := range map[string]struct{ json, structured, event bool }{
		"":                             {},
		"text/plain":                   {},
		"application/jsonlines":        {},
		"application/json":             {json: true},
		"text/JSON; charset=utf-8":     {json: true},
		"application/vnd.order+json":   {json: true},
		"Application/CloudEvents+JSON": {json: true, structured: true, event: true},
		" application/cloudevents+json ; charset=utf-8": {json: true, structured: true, event: true},
		"application/cloudevents-batch+json":            {json: true, event: true},
		"application/cloudevents+avro":                  {event: true},
	} {
		require.Equal(t, want.json, media.IsJSON(contentType), contentType)
		require.Equal(t, want.structured, media.IsStructured(contentType), contentType)
		require.Equal(t, want.event, media.IsCloudEvents(contentType), contentType)
	}
}
