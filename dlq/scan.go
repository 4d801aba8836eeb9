package dlq

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// cursor is a place in the letters of a MemoryStore: those with a number above
// after and up to end are still to come.
type cursor struct{ after, end uint64 }

const (
	cursorVersion = 1
	scanChunk     = 512 // letters read under one lock
)

func (c cursor) String() string {
	b := []byte{cursorVersion}
	b = binary.BigEndian.AppendUint64(b, c.after)
	b = binary.BigEndian.AppendUint64(b, c.end)
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor takes what String returned, and nothing else.
func parseCursor(s string) (cursor, error) {
	const size = 1 + 8 + 8
	if len(s) == base64.RawURLEncoding.EncodedLen(size) {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err == nil && len(b) == size && b[0] == cursorVersion {
			c := cursor{after: binary.BigEndian.Uint64(b[1:]), end: binary.BigEndian.Uint64(b[9:])}
			// The decoder is lenient about line breaks and the last bits.
			if c.after <= c.end && c.String() == s {
				return c, nil
			}
		}
	}
	return cursor{}, badCursor(s)
}

func badCursor(s string) error {
	return &eventbus.ValidationError{Field: "cursor", Rule: "must be the Next of a page of these letters", Value: excerpt.Of(s)}
}

func (s *MemoryStore) cursor(after string) (cursor, error) {
	s.mu.RLock()
	last := s.last
	s.mu.RUnlock()
	if after == "" {
		return cursor{end: last}, nil
	}
	c, err := parseCursor(after)
	if err == nil && c.end > last {
		return cursor{}, badCursor(after)
	}
	return c, err
}

// matching goes through the letters at the cursor that match. It matches without
// the lock: bodies may be large.
func (s *MemoryStore) matching(ctx context.Context, f Filter, c cursor) iter.Seq2[*entry, error] {
	f.Text = strings.ToLower(f.Text)
	chosen := s.chosen(f.IDs, c)
	named := len(f.IDs) > 0
	f.IDs = nil
	return func(yield func(*entry, error) bool) {
		var room [scanChunk]*entry
		for {
			chunk := chosen
			if !named {
				chunk = s.read(room[:0], &c)
			}
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			for _, e := range chunk {
				if f.match(&e.letter) && !yield(e, nil) {
					return
				}
			}
			if named || len(chunk) == 0 {
				return
			}
		}
	}
}

// read fills chunk with the letters at the cursor, which it moves on.
func (s *MemoryStore) read(chunk []*entry, c *cursor) []*entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, x := range s.slots[s.search(c.after+1):] {
		if x.n > c.end || len(chunk) == cap(chunk) {
			break
		}
		if x.e != nil {
			chunk = append(chunk, x.e)
		}
		c.after = x.n
	}
	return chunk
}

// chosen returns the letters at the cursor that have one of the IDs, in order.
func (s *MemoryStore) chosen(ids []string, c cursor) []*entry {
	var found []*entry
	s.mu.RLock()
	for _, id := range ids {
		if e, ok := s.byID[id]; ok && e.n > c.after && e.n <= c.end {
			found = append(found, e)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(a.n, b.n) })
	return slices.Compact(found)
}
