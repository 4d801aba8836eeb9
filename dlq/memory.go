package dlq

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

const (
	defaultMaxLetters = 100_000
	fewHoles          = 1024
)

// MemoryOptions are the settings of a [MemoryStore].
type MemoryOptions struct {
	// Max is how many letters there may be at once. Zero means 100,000.
	Max int
	// Now is the clock of the leases. Zero means time.Now.
	Now func() time.Time
}

// MemoryStore keeps letters in the process, in the order in which they were put.
// Putting, taking and removing one of n letters takes O(log n), a page no more
// than what it passes over. Readers do not hold up writers for long, whatever the
// filter.
type MemoryStore struct {
	max int
	now func() time.Time

	mu   sync.RWMutex
	last uint64            // number of the last letter that was put
	byID map[string]*entry // those that are there
	// slots are in the order of their numbers; what was removed leaves a hole.
	slots []slot
}

type slot struct {
	n uint64
	e *entry // nil: a hole
}

type entry struct {
	n      uint64
	letter Letter    // never changes
	until  time.Time // end of the lease
}

var (
	_ Store   = (*MemoryStore)(nil)
	_ Counter = (*MemoryStore)(nil)
)

// NewMemoryStore returns an empty store.
func NewMemoryStore(o MemoryOptions) *MemoryStore {
	s := &MemoryStore{max: o.Max, now: o.Now, byID: map[string]*entry{}}
	if s.max <= 0 {
		s.max = defaultMaxLetters
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Put stores the letter, which nobody may write to any more.
func (s *MemoryStore) Put(ctx context.Context, l Letter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byID[l.ID]; ok {
		return nil
	}
	if len(s.byID) >= s.max {
		return fmt.Errorf("%w: %d letters", ErrFull, s.max)
	}
	s.last++
	e := &entry{n: s.last, letter: l}
	s.byID[l.ID] = e
	s.slots = append(s.slots, slot{n: e.n, e: e})
	return nil
}

// Page lists letters as [Store] says.
func (s *MemoryStore) Page(ctx context.Context, f Filter, after string, limit int) (Page, error) {
	c, err := s.cursor(after)
	if err != nil {
		return Page{}, err
	}
	if limit < 1 {
		return Page{}, &eventbus.ValidationError{Field: "limit", Rule: "must be at least 1", Value: strconv.Itoa(limit)}
	}
	var p Page
	for e, err := range s.matching(ctx, f, c) {
		if err != nil {
			return Page{}, err
		}
		if len(p.Letters) == limit {
			p.Next = cursor{after: e.n - 1, end: c.end}.String()
			break
		}
		p.Letters = append(p.Letters, e.letter)
	}
	return p, nil
}

// Count returns how many letters match.
func (s *MemoryStore) Count(ctx context.Context, f Filter) (int, error) {
	c, _ := s.cursor("")
	n := 0
	for _, err := range s.matching(ctx, f, c) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Take leases the letter to the caller.
func (s *MemoryStore) Take(ctx context.Context, id string, lease time.Duration) (Letter, error) {
	if err := ctx.Err(); err != nil {
		return Letter{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byID[id]
	if !ok {
		return Letter{}, ErrNotFound
	}
	now := s.now()
	if e.until.After(now) {
		return Letter{}, ErrTaken
	}
	e.until = now.Add(lease)
	return e.letter, nil
}

// Release ends the lease of the letter, if it is there.
func (s *MemoryStore) Release(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byID[id]; ok {
		e.until = time.Time{}
	}
	return nil
}

// Remove deletes those of the letters that are there and returns their number.
func (s *MemoryStore) Remove(ctx context.Context, ids ...string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	removed := 0
	for _, id := range ids {
		e, ok := s.byID[id]
		if !ok {
			continue
		}
		delete(s.byID, id)
		s.slots[s.search(e.n)].e = nil
		removed++
	}
	if holes := len(s.slots) - len(s.byID); holes > fewHoles && holes > len(s.byID) {
		s.compact()
	}
	return removed, nil
}

// compact drops the holes. It makes a new slice, or one of a great number of
// letters would keep its size for ever.
func (s *MemoryStore) compact() {
	kept := make([]slot, 0, len(s.byID))
	for _, x := range s.slots {
		if x.e != nil {
			kept = append(kept, x)
		}
	}
	s.slots = kept
}

// search returns the index of the first slot with a number of at least n.
func (s *MemoryStore) search(n uint64) int {
	i, _ := slices.BinarySearchFunc(s.slots, n, func(x slot, n uint64) int { return cmp.Compare(x.n, n) })
	return i
}
