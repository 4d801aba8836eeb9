package rabbitbus

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
// in the order of their birth, those of different groups by the time when they were stored.
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
	at, end letterPlace
	ready   []letterHit // the next ones
	filled  letterPlace // up to here
	dry     bool        // none comes behind those
}

// letterPick is a letter that is to come next.
type letterPick struct {
	section *letterSection
	letterHit
	line *letterline.Line // nil if it is gone
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
		if span, ok := c.of(l.group); ok || c == nil {
			w.sections = append(w.sections, &letterSection{log: l, at: span.at, filled: span.at, end: span.end})
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
			var end letterPlace
			x.reading, errs[i] = w.store.view(ctx, x.log, func(*letterIndex) { end = x.log.end() })
			if c == nil {
				x.end = end
			} else if errs[i] == nil && end.before(x.end) {
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

// fill makes up to n more letters of the section ready.
func (w *letterWalk) fill(ctx context.Context, x *letterSection, n int) error {
	return w.store.viewSince(ctx, x.log, x.reading, func(index *letterIndex) {
		hits := w.collect(index, x, n)
		x.dry = len(hits) < n
		if len(hits) > 0 {
			x.filled = hits[len(hits)-1].born
		}
		x.ready = append(x.ready, hits...)
	})
}

// collect returns the next letters of the section that may be selected, up to n.
func (w *letterWalk) collect(index *letterIndex, x *letterSection, n int) (hits []letterHit) {
	for _, e := range w.candidates(index, x.filled) {
		if x.end.before(e.born) || len(hits) == n {
			break
		}
		if !e.gone && w.heads.Match(e.Letter(x.log.group)) {
			hits = append(hits, e.hit())
		}
	}
	return hits
}

// candidates are the letters behind the place, of those under the IDs if there are some.
func (w *letterWalk) candidates(index *letterIndex, at letterPlace) []*letterEntry {
	if w.ids == nil {
		return index.from(at)
	}
	var found []*letterEntry
	for id := range w.ids {
		if e, ok := index.byID[id]; ok && at.before(e.born) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *letterEntry) int { return a.born.compare(b.born) })
	return found
}

// next returns up to n letters, read, and at least one if there is one. They are no more than
// may be under way, and one.
func (w *letterWalk) next(ctx context.Context, n int) ([]letterPick, error) {
	var picks []letterPick
	for bytes := 0; len(picks) < n && bytes <= w.store.bounds.bytes; {
		x, err := w.first(ctx, n)
		if err != nil {
			return nil, err
		}
		if x == nil {
			break
		}
		bytes += x.ready[0].size
		picks = append(picks, letterPick{section: x, letterHit: x.ready[0]})
		x.ready = x.ready[1:]
	}
	return picks, w.read(ctx, picks)
}

// first returns the section whose next letter is the oldest.
func (w *letterWalk) first(ctx context.Context, n int) (best *letterSection, err error) {
	for _, x := range w.sections {
		if len(x.ready) == 0 && !x.dry {
			if err := w.fill(ctx, x, n); err != nil {
				return nil, err
			}
		}
		if len(x.ready) > 0 && (best == nil || x.ready[0].stored < best.ready[0].stored) {
			best = x
		}
	}
	return best, nil
}

// read reads the letters of the picks.
func (w *letterWalk) read(ctx context.Context, picks []letterPick) error {
	of := map[*letterLog][]letterHit{}
	for _, p := range picks {
		of[p.section.log] = append(of[p.section.log], p.letterHit)
	}
	for l, hits := range of {
		lines, err := w.store.fetch(ctx, l, hits)
		if err != nil {
			return err
		}
		for i := range picks {
			if picks[i].section.log == l {
				picks[i].line = lines[picks[i].id]
			}
		}
	}
	return nil
}

// more reports whether there may be letters to come.
func (w *letterWalk) more(ctx context.Context) (bool, error) {
	x, err := w.first(ctx, 1)
	return x != nil, err
}

// cursor is where the walk stands.
func (w *letterWalk) cursor() letterCursor {
	var c letterCursor
	for _, x := range w.sections {
		if x.at.before(x.end) {
			c = append(c, letterSpan{group: hashGroup(x.log.group), at: x.at, end: x.end})
		}
	}
	slices.SortFunc(c, func(a, b letterSpan) int { return cmp.Compare(a.group, b.group) })
	return c
}
