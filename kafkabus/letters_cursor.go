package kafkabus

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// letterCursor is a place in a listing: of each group that has letters to come, those that were
// born from an offset on, until before another. It is in the order of the hashes.
type letterCursor []letterSpan

// letterSpan is what is to come of one group.
type letterSpan struct {
	group uint64 // its hash
	span
}

const letterCursorVersion = 1

func hashGroup(group string) uint64 {
	sum := sha256.Sum256([]byte(group))
	return binary.BigEndian.Uint64(sum[:])
}

func (c letterCursor) of(group string) (span, bool) {
	hash := hashGroup(group)
	for _, x := range c {
		if x.group == hash {
			return x.span, true
		}
	}
	return span{}, false
}

func (c letterCursor) String() string {
	b := []byte{letterCursorVersion}
	for _, x := range c {
		b = binary.BigEndian.AppendUint64(b, x.group)
		b = binary.AppendUvarint(b, uint64(x.first)) //nolint:gosec // offsets are not negative
		b = binary.AppendUvarint(b, uint64(x.last))  //nolint:gosec // nor is this one
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
		x, size := parseLetterSpan(b)
		if size == 0 || len(c) > 0 && x.group <= c[len(c)-1].group {
			return nil, badLetterCursor(s)
		}
		c, b = append(c, x), b[size:]
	}
	if c.String() != s { // the decoders are lenient about line breaks, the last bits, and zeros
		return nil, badLetterCursor(s)
	}
	return c, nil
}

// parseLetterSpan reads a span, and returns how many bytes it has, or 0 if it is none.
func parseLetterSpan(b []byte) (x letterSpan, size int) {
	if size = 8; len(b) < size {
		return x, 0
	}
	x.group = binary.BigEndian.Uint64(b)
	for _, at := range []*int64{&x.first, &x.last} {
		n, width := binary.Uvarint(b[size:])
		if width <= 0 || n > math.MaxInt64 {
			return x, 0
		}
		*at, size = int64(n), size+width
	}
	if x.first >= x.last {
		return x, 0
	}
	return x, size
}

func badLetterCursor(s string) error {
	return &eventbus.ValidationError{Field: "cursor", Rule: "must be the Next of a page of these letters, with the same filter", Value: excerpt.Of(s)}
}
