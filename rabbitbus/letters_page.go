package rabbitbus

import (
	"context"
	"strconv"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// Page lists the letters of a group in the order in which they were stored, and those of
// several groups by the clocks of the processes that stored them.
func (s *letterStore) Page(ctx context.Context, f dlq.Filter, after string, limit int) (dlq.Page, error) {
	if limit < 1 {
		return dlq.Page{}, &eventbus.ValidationError{Field: "limit", Rule: "must be at least 1", Value: strconv.Itoa(limit)}
	}
	var c letterCursor
	if after != "" {
		var err error
		if c, err = parseLetterCursor(after); err != nil {
			return dlq.Page{}, err
		}
	}
	p, err := within(ctx, s, func(ctx context.Context) (dlq.Page, error) { return s.page(ctx, f, c, limit) })
	if err != nil {
		return dlq.Page{}, s.failed(ctx, "list letters", err)
	}
	return p, nil
}

func (s *letterStore) page(ctx context.Context, f dlq.Filter, c letterCursor, limit int) (p dlq.Page, err error) {
	w, err := s.begin(ctx, f, c)
	if err != nil {
		return p, err
	}
	for chunk, more := 0, true; more; chunk++ {
		if len(p.Letters) == limit || chunk == s.bounds.chunks {
			p.Next = w.cursor().String()
			break
		}
		picks, err := w.next(ctx, min(s.bounds.chunk, w.wanted(limit-len(p.Letters))))
		if err != nil {
			return p, err
		}
		if more = w.add(&p, picks, limit); more {
			continue
		}
		if more, err = w.more(ctx); err != nil {
			return p, err
		}
	}
	return p, nil
}

// add puts those of the picks on the page that are selected, and reports whether some are left.
func (w *letterWalk) add(p *dlq.Page, picks []letterPick, limit int) (left bool) {
	for _, pick := range picks {
		if len(p.Letters) == limit {
			return true
		}
		pick.section.at = pick.born
		if pick.line != nil && w.text.Match(pick.line.Letter) {
			p.Letters = append(p.Letters, pick.line.Complete())
		}
	}
	return false
}

// wanted is how many letters are read for so many that are to be selected.
func (w *letterWalk) wanted(n int) int {
	if w.text.Text != "" { // most letters do not match
		return w.store.bounds.chunk
	}
	return n
}
