package redisbus

import (
	"context"

	"github.com/seed-28af575d/eventbus/dlq"
)

// Count returns how many letters match. Where nothing but groups, and one of subscriber,
// type, reason and time is asked for, the index knows it; else all letters of the smallest
// section are looked at.
func (s *letterStore) Count(ctx context.Context, f dlq.Filter) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, s.failed(ctx, "count letters", err)
	}
	n, err := s.count(ctx, f)
	if err != nil {
		return 0, s.failed(ctx, "count letters", err)
	}
	return n, nil
}

func (s *letterStore) count(ctx context.Context, f dlq.Filter) (int, error) {
	known, edges, ok := knownSections(&f)
	if !ok {
		w, err := s.begin(ctx, f, "")
		if err != nil {
			return 0, err
		}
		return w.count(ctx)
	}
	ranges := make([][2]string, len(known))
	for i, x := range known {
		ranges[i] = x.whole()
	}
	last, sizes, err := s.survey(ctx, ranges)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, size := range sizes {
		n += int(size)
	}
	for _, x := range edges {
		w := &letterWalk{store: s, filter: f, section: x, at: x.start(), end: last}
		more, err := w.count(ctx)
		if err != nil {
			return 0, err
		}
		n += more
	}
	return n, nil
}

// count counts the letters to come that match.
func (w *letterWalk) count(ctx context.Context) (n int, err error) {
	for !w.ended {
		err := w.next(ctx, w.store.bounds.chunk, func(*letterLine) bool {
			n++
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// knownSections are the sections of which all letters match, and the edges of which some
// may, where those together have all that match.
func knownSections(f *dlq.Filter) (known, edges []letterSection, ok bool) {
	groups, some := letterGroups(f)
	conditions := letterConditions(f)
	switch {
	case !some || unheardOf(f, groups):
		return nil, nil, true
	case len(groups) == 0:
		return []letterSection{newLetterSection(everyLetter)}, nil, conditions == 0
	}
	for _, g := range groups {
		narrow := narrowSections(f, g)
		switch {
		case conditions == 0:
			known = append(known, newLetterSection(byGroup, g))
		case conditions > 1 || len(narrow) != 1:
			return nil, nil, false
		case narrow[0].kind == byTime:
			inner, outer := splitTimes(narrow[0])
			known, edges = append(known, inner...), append(edges, outer...)
		default:
			known = append(known, narrow[0])
		}
	}
	return known, edges, true
}

// letterConditions is how many conditions the filter has besides groups.
func letterConditions(f *dlq.Filter) (n int) {
	for _, set := range []bool{
		len(f.IDs) > 0, f.Subscriber != "", f.Type != "", f.AggregateType != "", f.AggregateID != "", f.TenantID != "",
		f.Reason != "", !f.After.IsZero() || !f.Before.IsZero(), f.Text != "",
	} {
		if set {
			n++
		}
	}
	return n
}

// splitTimes parts a section by time: times are finer than the index has them, so that of
// the first and the last millisecond each letter must be looked at.
func splitTimes(x letterSection) (inner, edges []letterSection) {
	if x.from > x.to {
		return nil, nil
	}
	edges = append(edges, x.between(x.from, x.from))
	if x.from < x.to {
		edges = append(edges, x.between(x.to, x.to))
	}
	if x.to-x.from > 1 && x.from < x.to {
		inner = append(inner, x.between(x.from+1, x.to-1))
	}
	return inner, edges
}
