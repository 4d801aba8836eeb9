package rabbitbus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

var errLetterLine = errors.New("it is not a line of JSON and a body")

// letterLine is what stands of a letter in its line of JSON. The message's headers are in it,
// and none is a header of the record: streams drop arrays and tables there.
type letterLine struct {
	dlq.Letter
	Body   *struct{}         `json:"body,omitempty"`   // it stands behind the line
	Base64 map[string][]byte `json:"base64,omitempty"` // what is not UTF-8, by JSON pointer
}

// encodeLetter returns the line of JSON and the body behind it.
func encodeLetter(l *dlq.Letter) ([]byte, error) {
	line := letterLine{Letter: *l}
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
	out, err := json.Marshal(line)
	if err != nil {
		return nil, err
	}
	out = append(slices.Grow(out, 1+len(l.Body)), '\n')
	return append(out, l.Body...), nil
}

// decodeLetter reads what encodeLetter has written, without the event.
func decodeLetter(record []byte) (*letterLine, error) {
	line, body, found := bytes.Cut(record, []byte{'\n'})
	l := &letterLine{}
	if !found {
		return nil, errLetterLine
	}
	if err := json.Unmarshal(line, l); err != nil {
		return nil, fmt.Errorf("%w: %w", errLetterLine, err)
	}
	if len(body) > 0 {
		l.Letter.Body = body
	}
	if len(l.Base64) > 0 {
		for at, text := range l.texts() {
			if raw, ok := l.Base64[at]; ok {
				*text = string(raw)
			}
		}
	}
	return l, nil
}

// texts are the strings that may hold any bytes, by JSON pointer.
func (l *letterLine) texts() iter.Seq2[string, *string] {
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

// complete returns the letter with its event, if that can be read.
func (l *letterLine) complete() dlq.Letter {
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
