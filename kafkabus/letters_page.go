package kafkabus

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
	p, err := s.page(ctx, f, after, limit)
	if err != nil {
		return dlq.Page{}, s.failed(ctx, "list letters", err)
	}
	return p, nil
}

func (s *letterStore) page(ctx context.Context, f dlq.Filter, after string, limit int) (p dlq.Page, err error) {
	var c letterCursor
	if after != "" {
		if c, err = parseLetterCursor(after); err != nil {
			return p, err
		}
	}
	if err := s.open(ctx); err != nil {
		return p, err
	}
	w, err := s.begin(ctx, f, c)
	if err != nil {
		return p, err
	}
	for range s.bounds.chunks {
		picks, err := w.next(ctx, min(s.bounds.chunk, w.wanted(limit-len(p.Letters))))
		if err != nil || len(picks) == 0 {
			return p, err
		}
		if w.add(&p, picks, limit); len(p.Letters) == limit {
			break
		}
	}
	more, err := w.more(ctx)
	if more {
		p.Next = w.cursor().String()
	}
	return p, err
}

// add puts those of the picks on the page that are selected, until it is full.
func (w *letterWalk) add(p *dlq.Page, picks []letterPick, limit int) {
	for _, pick := range picks {
		if len(p.Letters) == limit {
			return
		}
		pick.section.first = pick.born + 1
		if pick.line != nil && w.text.Match(pick.line.Letter) {
			p.Letters = append(p.Letters, pick.line.Complete())
		}
	}
}

// wanted is how many letters are read for so many that are to be selected.
func (w *letterWalk) wanted(n int) int {
	if w.text.Text != "" { // most letters do not match
		return w.store.bounds.chunk
	}
	return n
}

// Count returns how many letters match. The index knows it, once it is read on to the end;
// only where a text is asked for all letters are read.
func (s *letterStore) Count(ctx context.Context, f dlq.Filter) (int, error) {
	err := s.open(ctx)
	n := 0
	if err == nil {
		n, err = s.count(ctx, f)
	}
	if err != nil {
		return 0, s.failed(ctx, "count letters", err)
	}
	return n, nil
}

func (s *letterStore) count(ctx context.Context, f dlq.Filter) (n int, err error) {
	w, err := s.begin(ctx, f, nil)
	if err != nil {
		return 0, err
	}
	if f.Text == "" {
		return w.count(ctx)
	}
	for {
		picks, err := w.next(ctx, s.bounds.chunk)
		if err != nil || len(picks) == 0 {
			return n, err
		}
		for _, p := range picks {
			p.section.first = p.born + 1
			if p.line != nil && w.text.Match(p.line.Letter) {
				n++
			}
		}
	}
}
