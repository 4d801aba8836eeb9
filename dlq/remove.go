package dlq

import (
	"context"
	"errors"
	"math"
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
	return q.cut(ctx, f, nil, unbounded)
}

// unbounded is for who deletes all that match.
func unbounded() (int, error) { return math.MaxInt, nil }

// cut deletes the oldest that match while there are too many. How many that is, is asked when
// the oldest are known: what others delete meanwhile are either these, or counted no more. It
// goes on only behind a page of which nothing is left, so that nothing older is passed over.
func (q *Queue) cut(ctx context.Context, f Filter, report func(Letter) error, tooMany func() (int, error)) (int, error) {
	removed := 0
	for letters, err := range q.pages(ctx, f) {
		if err != nil {
			return removed, err
		}
		if len(letters) == 0 {
			continue
		}
		most, err := tooMany()
		if err != nil {
			return removed, err
		}
		n, err := q.removeSome(ctx, letters[:min(most, len(letters))], report)
		removed += n
		if err != nil || most < len(letters) {
			return removed, err
		}
	}
	return removed, nil
}

// removeSome deletes the letters, up to the first that report refuses.
func (q *Queue) removeSome(ctx context.Context, letters []Letter, report func(Letter) error) (removed int, refused error) {
	var ids []string
	for _, l := range letters {
		if report != nil {
			refused = report(l)
		}
		if refused != nil {
			break
		}
		ids = append(ids, l.ID)
	}
	if len(ids) == 0 {
		return 0, refused
	}
	removed, err := q.store.Remove(ctx, ids...)
	return removed, errors.Join(err, refused)
}

// said refuses the filter that would do something to every letter unasked.
func (f *Filter) said(op string) error {
	if f.unset() {
		return &eventbus.ValidationError{Field: "filter", Rule: "selects nothing in particular; pass dlq.All to " + op + " every letter"}
	}
	return nil
}
