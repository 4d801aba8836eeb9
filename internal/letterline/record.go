package letterline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-28af575d/eventbus/dlq"
)

// ErrRecord means that a record is not a line of JSON and a body.
var ErrRecord = errors.New("it is not a line of JSON and a body")

// Encode returns the line of JSON of a letter and the body behind it, for stores that keep both in
// one record. It changes nothing of the letter.
func Encode(l *dlq.Letter) ([]byte, error) {
	out, err := json.Marshal(Of(l))
	if err != nil {
		return nil, err
	}
	out = append(slices.Grow(out, 1+len(l.Body)), '\n')
	return append(out, l.Body...), nil
}

// Decode reads what Encode has written, without the event; see [Line.Complete].
func Decode(record []byte) (*Line, error) {
	line, body, found := bytes.Cut(record, []byte{'\n'})
	l := &Line{}
	if !found {
		return nil, ErrRecord
	}
	if err := json.Unmarshal(line, l); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	l.Restore(body)
	return l, nil
}
