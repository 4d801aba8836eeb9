package rabbitbus

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// letterCursor is a place in a listing: of each group that has letters to come, those that
// were born behind a place, up to another.
type letterCursor []letterSpan

// letterSpan is what is to come of one group.
type letterSpan struct {
	group   uint64 // its hash
	at, end letterPlace
}

const letterCursorVersion = 1

func hashGroup(group string) uint64 {
	sum := sha256.Sum256([]byte(group))
	return binary.BigEndian.Uint64(sum[:])
}

func (c letterCursor) of(group string) (letterSpan, bool) {
	hash := hashGroup(group)
	for _, x := range c {
		if x.group == hash {
			return x, true
		}
	}
	return letterSpan{}, false
}

func (c letterCursor) String() string {
	b := []byte{letterCursorVersion}
	for _, x := range c {
		b = binary.BigEndian.AppendUint64(b, x.group)
		for _, n := range [...]uint64{x.at.generation, x.at.offset, x.end.generation, x.end.offset} {
			b = binary.AppendUvarint(b, n)
		}
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseLetterCursor takes what String returned, and nothing else.
func parseLetterCursor(s string) (letterCursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 2 || b[0] != letterCursorVersion {
		return nil, badLetterCursor(s)
	}
	var c letterCursor
	for b = b[1:]; len(b) > 0; {
		var x letterSpan
		if b = x.parse(b); b == nil || len(c) > 0 && x.group <= c[len(c)-1].group {
			return nil, badLetterCursor(s)
		}
		c = append(c, x)
	}
	// The decoders are lenient about line breaks, the last bits, and zeros.
	if c.String() != s {
		return nil, badLetterCursor(s)
	}
	return c, nil
}

// parse reads a span and returns what stands behind it, or nil.
func (x *letterSpan) parse(b []byte) []byte {
	if len(b) < 8 {
		return nil
	}
	x.group, b = binary.BigEndian.Uint64(b), b[8:]
	for _, n := range []*uint64{&x.at.generation, &x.at.offset, &x.end.generation, &x.end.offset} {
		value, size := binary.Uvarint(b)
		if size <= 0 {
			return nil
		}
		*n, b = value, b[size:]
	}
	if !x.at.before(x.end) {
		return nil
	}
	if b == nil {
		b = []byte{}
	}
	return b
}

func badLetterCursor(s string) error {
	return &eventbus.ValidationError{Field: "cursor", Rule: "must be the Next of a page of these letters, with the same filter", Value: excerpt.Of(s)}
}
