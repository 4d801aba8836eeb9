package redisbus

import (
	"context"
	"slices"
	"strconv"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// Page lists letters by their numbers, which is the order in which they were stored. Where
// the filter has times and most letters are not of that time, they come by the time of
// their last failure, and then by number.
func (s *letterStore) Page(ctx context.Context, f dlq.Filter, after string, limit int) (dlq.Page, error) {
	if limit < 1 {
		return dlq.Page{}, &eventbus.ValidationError{Field: "limit", Rule: "must be at least 1", Value: strconv.Itoa(limit)}
	}
	w, err := s.begin(ctx, f, after)
	if err != nil {
		return dlq.Page{}, s.failedListing(ctx, err)
	}
	var p dlq.Page
	count := limit // then more, since most letters do not match
	for chunk := 0; !w.ended; chunk++ {
		if len(p.Letters) == limit || chunk == s.bounds.chunks {
			p.Next = w.cursor().String()
			break
		}
		err := w.next(ctx, min(count, s.bounds.chunk), func(l *letterLine) bool {
			p.Letters = append(p.Letters, l.Complete())
			return len(p.Letters) < limit
		})
		if err != nil {
			return dlq.Page{}, s.failedListing(ctx, err)
		}
		count = s.bounds.chunk
	}
	return p, nil
}

func (s *letterStore) failedListing(ctx context.Context, err error) error {
	if wrong, ok := err.(*eventbus.ValidationError); ok { //nolint:errorlint // one of ours, that nobody has wrapped
		return wrong
	}
	return s.failed(ctx, "list letters", err)
}

// begin returns a walk from the cursor on, or from the beginning.
func (s *letterStore) begin(ctx context.Context, f dlq.Filter, after string) (*letterWalk, error) {
	sections := letterSections(&f)
	var c letterCursor
	if after != "" {
		var err error
		if c, err = parseLetterCursor(after); err != nil {
			return nil, err
		}
		here := slices.IndexFunc(sections, func(x letterSection) bool { return x.kind == c.kind })
		if here < 0 {
			return nil, badLetterCursor(after)
		}
		sections = sections[here : here+1]
	}
	if err := ctx.Err(); err != nil || len(sections) == 0 {
		return &letterWalk{ended: true}, err
	}
	section, last, err := s.choose(ctx, sections)
	if err != nil {
		return nil, err
	}
	if c.end > last {
		return nil, badLetterCursor(after)
	}
	if after == "" {
		c = letterCursor{kind: section.kind, at: section.start(), end: last}
	}
	w := &letterWalk{store: s, filter: f, section: section, at: c.at, end: c.end}
	w.filter.IDs = nil // the section has them
	if section.kind == byID {
		err = w.find(ctx, f.IDs)
	}
	return w, err
}

// choose returns the section with the fewest letters, and the number of the last letter
// that was stored. Letters come in another order from a section by time, so that it must
// save half of the work at least.
func (s *letterStore) choose(ctx context.Context, sections []letterSection) (best letterSection, last uint64, err error) {
	var ranges [][2]string
	if len(sections) > 1 {
		for _, x := range sections {
			ranges = append(ranges, x.whole())
		}
	}
	last, sizes, err := s.survey(ctx, ranges)
	if err != nil {
		return letterSection{}, 0, err
	}
	best = sections[0]
	cost := uint64(0)
	for i, size := range sizes {
		if sections[i].kind == byTime {
			size *= 2
		}
		if i == 0 || size < cost {
			best, cost = sections[i], size
		}
	}
	return best, last, nil
}

// survey returns the number of the last letter that was stored, and how many members of the
// index there are in each range, all at one time.
func (s *letterStore) survey(ctx context.Context, ranges [][2]string) (last uint64, sizes []uint64, err error) {
	args := make([]any, 0, 2*len(ranges))
	for _, r := range ranges {
		args = append(args, r[0], r[1])
	}
	reply, err := s.list(ctx, letterSurvey, nil, args...)
	if err != nil {
		return 0, nil, err
	}
	if len(reply) != 1+len(ranges) {
		return 0, nil, errLetterReply
	}
	for _, x := range reply {
		n, err := letterNumber(x)
		if err != nil {
			return 0, nil, err
		}
		sizes = append(sizes, n)
	}
	return sizes[0], sizes[1:], nil
}
