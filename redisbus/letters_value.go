package redisbus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// letterDigits is how many digits a number has in the index and before a letter.
const letterDigits = 16

var errLetterLine = errors.New("it is not a number, a line of JSON and a body")

// letterLine is what stands of a letter in its line of JSON.
type letterLine struct {
	letterline.Line
	Failed string `json:"failed"` // LastFailure, as the index has it
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
	line := letterLine{Line: letterline.Of(l), Failed: letterHex(letterMillis(l.LastFailure))}
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
	l.Restore([]byte(body))
	return n, l, nil
}

// letterMillis are the milliseconds since 1970, or 0 before that: as the index has times.
func letterMillis(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }

func letterHex(n uint64) string { return fmt.Sprintf("%0*x", letterDigits, n) }

// parseLetterHex takes what letterHex returned, and nothing else.
func parseLetterHex(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 16, 64)
	return n, err == nil && letterHex(n) == s
}
