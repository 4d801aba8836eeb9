package kafkabus

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// groupsAtOnce is how many groups one call reads at once.
const groupsAtOnce = 4

// letterWalk goes through the letters of some groups that a filter selects: those of each group
// in the order in which they were stored, those of different groups by the time when they were.
type letterWalk struct {
	store    *letterStore
	heads    dlq.Filter // what an index can tell
	text     dlq.Filter // what takes the letter
	ids      map[string]bool
	sections []*letterSection
}

// letterSection is what is to come of one group.
type letterSection struct {
	log     *letterLog
	reading uint64 // with which the walk began
	span
}

// letterPick is a letter that is to come next.
type letterPick struct {
	letterHit
	section *letterSection
	line    *letterline.Line // nil if it is gone
}

// begin returns a walk through the letters of the groups, from the cursor on if there is one.
func (s *letterStore) begin(ctx context.Context, f dlq.Filter, c letterCursor) (*letterWalk, error) {
	w := &letterWalk{store: s, heads: f, text: dlq.Filter{Text: f.Text}}
	w.heads.IDs, w.heads.Text = nil, ""
	if len(f.IDs) > 0 {
		w.ids = map[string]bool{}
		for _, id := range f.IDs {
			w.ids[id] = true
		}
	}
	logs, err := s.logsOf(ctx, &f)
	if err != nil {
		return nil, err
	}
	for _, l := range logs {
		if at, ok := c.of(l.group); ok || c == nil {
			w.sections = append(w.sections, &letterSection{log: l, span: at})
		}
	}
	return w, w.readOn(ctx, c)
}

// readOn reads all groups to their ends, some at a time. Without a cursor those are the ends of
// the walk.
func (w *letterWalk) readOn(ctx context.Context, c letterCursor) error {
	errs := make([]error, len(w.sections))
	places := make(chan struct{}, groupsAtOnce)
	var reading sync.WaitGroup
	for i, x := range w.sections {
		reading.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			x.reading = x.log.begun.Load() + 1
			end := int64(0)
			errs[i] = w.store.viewSince(ctx, x.log, x.reading, func(*letterIndex) { end = x.log.next })
			if c == nil || end == 0 { // there are none, or none any more
				x.last = end
			} else if errs[i] == nil && end < x.last {
				errs[i] = badLetterCursor(c.String())
			}
		})
	}
	reading.Wait()
	for _, err := range errs {
		if err != nil {
			return err // the first: a wrong cursor is one as it is
		}
	}
	return nil
}

// next returns up to n letters, read, and at least one if there is one. They are no more than
// are read at once, and one.
func (w *letterWalk) next(ctx context.Context, n int) ([]letterPick, error) {
	picks, err := w.choose(ctx, n)
	if err != nil {
		return nil, err
	}
	of := map[*letterLog][]letterHit{}
	for _, p := range picks {
		of[p.section.log] = append(of[p.section.log], p.letterHit)
	}
	for l, hits := range of {
		lines, err := w.store.fetch(ctx, l, hits)
		if err != nil {
			return nil, err
		}
		for i := range picks {
			if picks[i].section.log == l {
				picks[i].line = lines[picks[i].id]
			}
		}
	}
	return picks, nil
}

// choose merges what comes next of the groups.
func (w *letterWalk) choose(ctx context.Context, n int) (picks []letterPick, err error) {
	queues := make([][]letterHit, len(w.sections))
	for i, x := range w.sections {
		if queues[i], err = w.hits(ctx, x, n); err != nil {
			return nil, err
		}
	}
	for bytes := 0; len(picks) < n && bytes <= w.store.bounds.bytes; {
		oldest := -1
		for i, q := range queues {
			if len(q) > 0 && (oldest < 0 || q[0].stored < queues[oldest][0].stored) {
				oldest = i
			}
		}
		if oldest < 0 {
			break
		}
		h := queues[oldest][0]
		picks, queues[oldest] = append(picks, letterPick{letterHit: h, section: w.sections[oldest]}), queues[oldest][1:]
		bytes += h.size
	}
	return picks, nil
}

// hits returns up to n letters of the section that are to come and may be selected.
func (w *letterWalk) hits(ctx context.Context, x *letterSection, n int) (hits []letterHit, err error) {
	err = w.each(ctx, x, func(e *letterEntry) bool {
		hits = append(hits, e.hit())
		return len(hits) < n
	})
	return hits, err
}

// each visits letters of the section that are to come and may be selected, until visit returns false.
func (w *letterWalk) each(ctx context.Context, x *letterSection, visit func(*letterEntry) bool) error {
	return w.store.viewSince(ctx, x.log, x.reading, func(index *letterIndex) {
		for _, e := range w.candidates(index, x.first) {
			if e.born >= x.last || !e.gone && w.heads.Match(e.Letter(x.log.group)) && !visit(e) {
				break
			}
		}
	})
}

// candidates are the letters from the offset on, of those under the IDs if there are some.
func (w *letterWalk) candidates(index *letterIndex, at int64) []*letterEntry {
	if w.ids == nil {
		return index.from(at)
	}
	var found []*letterEntry
	for id := range w.ids {
		if e, ok := index.byID[id]; ok && e.born >= at {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *letterEntry) int { return cmp.Compare(a.born, b.born) })
	return found
}

// more reports whether there may be letters to come.
func (w *letterWalk) more(ctx context.Context) (bool, error) {
	picks, err := w.choose(ctx, 1)
	return len(picks) > 0, err
}

// count counts what is to come.
func (w *letterWalk) count(ctx context.Context) (n int, err error) {
	for _, x := range w.sections {
		err = w.each(ctx, x, func(*letterEntry) bool {
			n++
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// cursor is where the walk stands.
func (w *letterWalk) cursor() letterCursor {
	var c letterCursor
	for _, x := range w.sections {
		if x.first < x.last {
			c = append(c, letterSpan{hashGroup(x.log.group), x.span})
		}
	}
	slices.SortFunc(c, func(a, b letterSpan) int { return cmp.Compare(a.group, b.group) })
	return c
}
