package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// letterGap is how many records are rather read than passed over with a consumer more.
const letterGap = 64

// letterHit is where a letter is.
type letterHit struct {
	id          string
	born, place letterPlace
	stored      int64
	size        int
}

func (e *letterEntry) hit() letterHit {
	return letterHit{id: e.ID, born: e.born, place: e.place, stored: e.stored, size: e.size}
}

// fetch reads the letters, by ID. Those that are gone are left out.
func (s *letterStore) fetch(ctx context.Context, l *letterLog, hits []letterHit) (map[string]*letterline.Line, error) {
	lines := make(map[string]*letterline.Line, len(hits))
	hits = slices.Clone(hits)
	for range 10 {
		slices.SortFunc(hits, func(a, b letterHit) int { return a.place.compare(b.place) })
		err := s.readAll(ctx, l, hits, lines)
		if err == nil || !errors.Is(err, errLetterGone) && !errors.Is(err, errLetterSilent) {
			return lines, err
		}
		if hits, err = s.moved(ctx, l, hits, lines); err != nil || len(hits) == 0 {
			return lines, err
		}
	}
	return lines, errLetterUnsettled
}

// moved returns where those letters are now that were not read.
func (s *letterStore) moved(ctx context.Context, l *letterLog, hits []letterHit, lines map[string]*letterline.Line) (left []letterHit, err error) {
	if err := l.taking(ctx, func() error { l.reset(); return nil }); err != nil {
		return nil, err
	}
	_, err = s.view(ctx, l, func(x *letterIndex) {
		for _, h := range hits {
			if e, ok := x.byID[h.id]; ok && e.born == h.born && lines[h.id] == nil {
				left = append(left, e.hit())
			}
		}
	})
	return left, err
}

// readAll reads letters that are in the order of their places.
func (s *letterStore) readAll(ctx context.Context, l *letterLog, hits []letterHit, lines map[string]*letterline.Line) error {
	for len(hits) > 0 {
		n := 1
		for ; n < len(hits); n++ {
			a, b := hits[n-1].place, hits[n].place
			if a.generation != b.generation || b.offset-a.offset > letterGap {
				break
			}
		}
		if err := s.readRun(ctx, l, hits[:n], lines); err != nil {
			return err
		}
		hits = hits[n:]
	}
	return nil
}

// runWindow is how many records may be under way of a run, which are about as large as those
// that are sought.
func (s *letterStore) runWindow(run []letterHit) int {
	bytes := int64(0)
	for _, h := range run {
		bytes += int64(h.size)
	}
	span := run[len(run)-1].place.offset - run[0].place.offset + 1
	return min(s.bounds.window(len(run), bytes), int(min(span, mostLetterWindow)))
}

// readRun reads letters that are close to one another.
func (s *letterStore) readRun(ctx context.Context, l *letterLog, run []letterHit, lines map[string]*letterline.Line) error {
	next := 0
	if g, ok := l.last(); ok {
		if err := s.readable(ctx, l, run[0].place.generation, g); err != nil {
			return err
		}
	}
	err := s.scan(ctx, &letterScan{
		stream: l.names.generation(run[0].place.generation), next: run[0].place.offset,
		window: func() int { return s.runWindow(run) }, silence: s.bounds.silence, again: s.readableStill(l, run[0].place.generation),
		visit: func(d *amqp.Delivery) error {
			at := offsetOf(d)
			if at > run[next].place.offset {
				return fmt.Errorf("%w: letter %s is not where it was", errLetterGone, run[next].id)
			}
			if at < run[next].place.offset {
				return nil
			}
			line, err := letterline.Decode(d.Body)
			if err != nil {
				return fmt.Errorf("%s cannot be read: %w", letterName(run[next].id), err)
			}
			if line.ID != run[next].id {
				return fmt.Errorf("%w: another letter is at the place of %s", errLetterGone, run[next].id)
			}
			lines[line.ID] = line
			if next++; next == len(run) {
				return errLetterStop
			}
			return nil
		},
	})
	if err == nil && next < len(run) {
		err = fmt.Errorf("%w: letter %s is not where it was", errLetterGone, run[next].id)
	}
	return err
}
