package dlq

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Bounds are what [Queue.Trim] keeps; at least one of Age and Length must be set.
type Bounds struct {
	// Age is how long ago the last failure of a letter may be. Zero means any time.
	Age time.Duration
	// Length is how many letters there may be. Zero means any number.
	Length int
	// Report is told of each letter before it is deleted, which it keeps by an error: Trim ends
	// with that. Of two calls at the same time both may report a letter. Zero means nobody.
	Report func(Letter) error
}

func (b *Bounds) validate(f Filter) error {
	var errs []error
	if b.Age < 0 {
		errs = append(errs, &eventbus.ValidationError{Field: "age", Rule: "must not be negative", Value: b.Age.String()})
	}
	if b.Length < 0 {
		errs = append(errs, &eventbus.ValidationError{Field: "length", Rule: "must not be negative", Value: strconv.Itoa(b.Length)})
	}
	if b.Length > 0 && !(f.After.IsZero() && f.Before.IsZero()) {
		errs = append(errs, &eventbus.ValidationError{
			Field: "length", Rule: "must be zero where the filter has a time: the oldest by their failure need not be the first", Value: strconv.Itoa(b.Length),
		})
	}
	if b.Age == 0 && b.Length == 0 {
		errs = append(errs, &eventbus.ValidationError{Field: "bounds", Rule: "must have an age or a length; Purge deletes every letter that matches"})
	}
	return errors.Join(errs...)
}

// Trim deletes, of the letters that match, taken or not, those that are older than the bounds
// allow, then as many of the oldest as there are too many, and returns how many there were.
// Processes that trim at the same time delete no more than one of them would; what is buried
// meanwhile may wait for the next Trim. It counts what matches for each hundred letters that it
// deletes by Length. The zero Filter is refused, [All] is not; so is Length with a filter of a
// time, After or Before. After an error, so many were deleted before it.
func (q *Queue) Trim(ctx context.Context, f Filter, b Bounds) (int, error) {
	if err := errors.Join(f.said("trim"), f.Validate(), b.validate(f)); err != nil {
		return 0, failed("trim", err)
	}
	removed, err := q.trim(ctx, f, b)
	if err != nil {
		return removed, failed("trim", err)
	}
	return removed, nil
}

func (q *Queue) trim(ctx context.Context, f Filter, b Bounds) (removed int, err error) {
	if b.Age > 0 {
		removed, err = q.cut(ctx, f.until(q.now().Add(-b.Age)), b.Report, unbounded)
	}
	if err != nil || b.Length == 0 {
		return removed, err
	}
	more, err := q.cut(ctx, f, b.Report, func() (int, error) {
		n, err := q.Count(ctx, f)
		return max(n-b.Length, 0), err
	})
	return removed + more, err
}

// until narrows the filter to what failed before.
func (f Filter) until(before time.Time) Filter {
	if f.Before.IsZero() || before.Before(f.Before) {
		f.Before = before
	}
	if f.After.After(f.Before) { // nothing did
		f.After = f.Before
	}
	return f
}
