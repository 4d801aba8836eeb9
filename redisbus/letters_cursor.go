package redisbus

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// letterPlace is where a letter stands in a section of the index: by number, or by the time
// of its last failure and then by number.
type letterPlace struct{ time, n uint64 }

func (p letterPlace) behind(q letterPlace) bool {
	return p.time > q.time || p.time == q.time && p.n > q.n
}

// letterCursor is a place in a listing: of the section of that kind, the letters behind
// the place with a number up to end are still to come.
type letterCursor struct {
	kind letterKind
	at   letterPlace
	end  uint64
}

const letterCursorVersion = 1

func (c letterCursor) String() string {
	b := []byte{letterCursorVersion, byte(c.kind)}
	for _, n := range [...]uint64{c.at.time, c.at.n, c.end} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseLetterCursor takes what String returned, and nothing else.
func parseLetterCursor(s string) (letterCursor, error) {
	const size = 2 + 3*8
	if len(s) != base64.RawURLEncoding.EncodedLen(size) {
		return letterCursor{}, badLetterCursor(s)
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != size || b[0] != letterCursorVersion {
		return letterCursor{}, badLetterCursor(s)
	}
	c := letterCursor{kind: letterKind(b[1]), end: binary.BigEndian.Uint64(b[18:])}
	c.at = letterPlace{time: binary.BigEndian.Uint64(b[2:]), n: binary.BigEndian.Uint64(b[10:])}
	// The decoder is lenient about line breaks and the last bits.
	if c.String() != s || c.kind != byTime && (c.at.time != 0 || c.at.n > c.end) {
		return letterCursor{}, badLetterCursor(s)
	}
	return c, nil
}

func badLetterCursor(s string) error {
	return &eventbus.ValidationError{Field: "cursor", Rule: "must be the Next of a page of these letters, with the same filter", Value: excerpt.Of(s)}
}
