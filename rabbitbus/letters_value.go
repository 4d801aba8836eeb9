package rabbitbus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

var errLetterLine = errors.New("it is not a line of JSON and a body")

// encodeLetter returns the line of JSON and the body behind it. No header of the message is one
// of the record: streams drop arrays and tables there.
func encodeLetter(l *dlq.Letter) ([]byte, error) {
	out, err := json.Marshal(letterline.Of(l))
	if err != nil {
		return nil, err
	}
	out = append(slices.Grow(out, 1+len(l.Body)), '\n')
	return append(out, l.Body...), nil
}

// decodeLetter reads what encodeLetter has written, without the event.
func decodeLetter(record []byte) (*letterline.Line, error) {
	line, body, found := bytes.Cut(record, []byte{'\n'})
	l := &letterline.Line{}
	if !found {
		return nil, errLetterLine
	}
	if err := json.Unmarshal(line, l); err != nil {
		return nil, fmt.Errorf("%w: %w", errLetterLine, err)
	}
	l.Restore(body)
	return l, nil
}
