package redisbus

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// letterDigits is how many digits a number has in the index and before a letter.
const letterDigits = 16

var errLetterLine = errors.New("it is not a number, a line of JSON and a body")

// letterLine is what stands of a letter in its line of JSON.
type letterLine struct {
	dlq.Letter
	Body   *struct{}         `json:"body,omitempty"`   // it stands behind the line
	Failed string            `json:"failed"`           // LastFailure, as the index has it
	Base64 map[string][]byte `json:"base64,omitempty"` // what is not UTF-8, by JSON pointer
}

// encodeLetter returns the line of JSON.
func encodeLetter(l *dlq.Letter) ([]byte, error) {
	for field, value := range map[string]string{
		"id": l.ID, "group": l.Group, "subscriber": l.Subscriber, "type": l.Type, "reason": string(l.Reason),
	} {
		if strings.Contains(value, "\x00") || !utf8.ValidString(value) {
			return nil, &eventbus.ValidationError{Field: field, Rule: "must be UTF-8 without zero bytes", Value: excerpt.Of(value)}
		}
	}
	line := letterLine{Letter: *l, Failed: letterHex(letterMillis(l.LastFailure))}
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
	return json.Marshal(line)
}

// decodeLetter reads what stands under the ID: the letter's number, and the letter without
// its event.
func decodeLetter(id, value string) (n uint64, l *letterLine, err error) {
	number, rest, _ := strings.Cut(value, "\n")
	line, body, found := strings.Cut(rest, "\n")
	n, numbered := parseLetterHex(number)
	if !found || !numbered {
		return 0, nil, unreadableLetter(id, errLetterLine)
	}
	l = &letterLine{}
	if err := json.Unmarshal([]byte(line), l); err != nil {
		return 0, nil, unreadableLetter(id, fmt.Errorf("%w: %w", errLetterLine, err))
	}
	l.ID = id
	if body != "" {
		l.Letter.Body = []byte(body)
	}
	if len(l.Base64) > 0 {
		for at, text := range l.texts() {
			if raw, ok := l.Base64[at]; ok {
				*text = string(raw)
			}
		}
	}
	return n, l, nil
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

// letterMillis are the milliseconds since 1970, or 0 before that: as the index has times.
func letterMillis(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }

func letterHex(n uint64) string { return fmt.Sprintf("%0*x", letterDigits, n) }

// parseLetterHex takes what letterHex returned, and nothing else.
func parseLetterHex(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 16, 64)
	return n, err == nil && letterHex(n) == s
}
