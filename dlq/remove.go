package dlq

import (
	"context"
	"slices"

	"github.com/seed-28af575d/eventbus"
)

// Discard deletes letters, taken or not, and returns how many there were: unknown
// IDs, and those of other groups, are not counted. After an error, so many were
// deleted before it.
func (q *Queue) Discard(ctx context.Context, ids ...string) (int, error) {
	removed := 0
	for chunk := range slices.Chunk(distinct(ids), pageSize) {
		n, err := q.remove(ctx, Filter{IDs: chunk})
		removed += n
		if err != nil {
			return removed, failed("discard", err)
		}
	}
	return removed, nil
}

// Purge deletes the letters that match, taken or not, and returns how many there
// were. Letters buried after its beginning stay, and so do those of other groups.
// The zero Filter is refused; [All] is not. After an error, so many were deleted
// before it.
func (q *Queue) Purge(ctx context.Context, f Filter) (int, error) {
	if err := f.said("purge"); err != nil {
		return 0, failed("purge", err)
	}
	removed, err := q.remove(ctx, f)
	if err != nil {
		return removed, failed("purge", err)
	}
	return removed, nil
}

// remove deletes what matches, a page at a time.
func (q *Queue) remove(ctx context.Context, f Filter) (int, error) {
	removed := 0
	for letters, err := range q.pages(ctx, f) {
		if err != nil {
			return removed, err
		}
		if len(letters) == 0 {
			continue
		}
		ids := make([]string, len(letters))
		for i := range letters {
			ids[i] = letters[i].ID
		}
		n, err := q.store.Remove(ctx, ids...)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// said refuses the filter that would do something to every letter unasked.
func (f *Filter) said(op string) error {
	if f.unset() {
		return &eventbus.ValidationError{Field: "filter", Rule: "selects nothing in particular; pass dlq.All to " + op + " every letter"}
	}
	return nil
}
