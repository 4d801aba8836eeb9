package rabbitbus

import (
	"context"
	"math"

	"github.com/seed-28af575d/eventbus/dlq"
)

// Count returns how many letters match. The index knows it, once it is read on to the end;
// only where a text is asked for all letters are read.
func (s *letterStore) Count(ctx context.Context, f dlq.Filter) (int, error) {
	n, err := within(ctx, s, func(ctx context.Context) (int, error) { return s.count(ctx, f) })
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
	if f.Text != "" {
		return w.countText(ctx)
	}
	for _, x := range w.sections {
		err := s.viewSince(ctx, x.log, x.reading, func(index *letterIndex) {
			n += len(w.collect(index, x, math.MaxInt))
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// countText reads all letters.
func (w *letterWalk) countText(ctx context.Context) (n int, err error) {
	for {
		picks, err := w.next(ctx, w.store.bounds.chunk)
		if err != nil || len(picks) == 0 {
			return n, err
		}
		for _, p := range picks {
			if p.line != nil && w.text.Match(p.line.Letter) {
				n++
			}
		}
	}
}
