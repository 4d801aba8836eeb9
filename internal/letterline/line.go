// Package letterline writes a dead letter as one line of JSON, for backends that keep its body
// beside that, byte for byte.
package letterline

import (
	"iter"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// Line is what stands of a letter in its line of JSON. The message's headers are in it.
type Line struct {
	dlq.Letter
	Body   *struct{}         `json:"body,omitempty"`   // it stands elsewhere
	Base64 map[string][]byte `json:"base64,omitempty"` // what is not UTF-8, by JSON pointer
}

// Of returns the line of the letter, for json.Marshal. It changes nothing of the letter.
func Of(l *dlq.Letter) Line {
	line := Line{Letter: *l}
	line.Errors, line.Headers = slices.Clone(l.Errors), slices.Clone(l.Headers)
	for _, t := range []*time.Time{&line.FirstFailure, &line.LastFailure, &line.BuriedAt} {
		*t = t.UTC()
	}
	for at, text := range line.texts() {
		if utf8.ValidString(*text) {
			continue
		}
		if line.Base64 == nil {
			line.Base64 = map[string][]byte{}
		}
		line.Base64[at], *text = []byte(*text), ""
	}
	return line
}

// Restore puts back what is not UTF-8, after json.Unmarshal, and the body.
func (l *Line) Restore(body []byte) {
	if len(body) > 0 {
		l.Letter.Body = body
	}
	if len(l.Base64) == 0 {
		return
	}
	for at, text := range l.texts() {
		if raw, ok := l.Base64[at]; ok {
			*text = string(raw)
		}
	}
}

// texts are the strings that may hold any bytes, by JSON pointer.
func (l *Line) texts() iter.Seq2[string, *string] {
	return func(yield func(string, *string) bool) {
		for _, x := range []struct {
			at   string
			text *string
		}{
			{"/stack", &l.Stack}, {"/origin", &l.Origin}, {"/topic", &l.Topic}, {"/event_id", &l.EventID},
			{"/aggregate_type", &l.AggregateType}, {"/aggregate_id", &l.AggregateID}, {"/tenant_id", &l.TenantID},
		} {
			if !yield(x.at, x.text) {
				return
			}
		}
		for i := range l.Errors {
			if !yield("/errors/"+strconv.Itoa(i), &l.Errors[i]) {
				return
			}
		}
		for i := range l.Headers {
			at := "/headers/" + strconv.Itoa(i)
			if !yield(at+"/name", &l.Headers[i].Name) || !yield(at+"/value", &l.Headers[i].Value) {
				return
			}
		}
	}
}

// Complete returns the letter with its event, if that can be read.
func (l *Line) Complete() dlq.Letter {
	out := l.Letter
	if out.EventID == "" {
		return out
	}
	header := make([]wire.Field, len(out.Headers))
	for i, h := range out.Headers {
		header[i] = wire.Field{Name: h.Name, Value: h.Value}
	}
	if e, err := wire.Decode(header, out.Body); err == nil {
		out.Event = e
	}
	return out
}
