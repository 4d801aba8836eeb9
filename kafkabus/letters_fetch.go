package kafkabus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// letterGap is how many records are rather read than passed over with a request more.
const letterGap = 64

// letterHit is where a letter is.
type letterHit struct {
	id                  string
	born, place, stored int64
	size                int
}

func (e *letterEntry) hit() letterHit {
	return letterHit{id: e.ID, born: e.born, place: e.place, stored: e.stored, size: e.size}
}

// fetch reads letters of a group, by ID. Those that are gone are left out.
func (s *letterStore) fetch(ctx context.Context, l *letterLog, hits []letterHit) (map[string]*letterline.Line, error) {
	lines := make(map[string]*letterline.Line, len(hits))
	hits = slices.Clone(hits)
	for range 10 {
		slices.SortFunc(hits, func(a, b letterHit) int { return cmp.Compare(a.place, b.place) })
		lost, err := s.readAll(ctx, l, hits, lines)
		if err != nil || len(lost) == 0 {
			return lines, err
		}
		if hits, err = s.moved(ctx, l, lost); err != nil || len(hits) == 0 {
			return lines, err
		}
	}
	return lines, errLettersUnsettled
}

// moved returns where those letters are now that were not where they were: a letter that was stored
// twice moves. If one is said to be where it is not, nothing that is known of the log is true.
func (s *letterStore) moved(ctx context.Context, l *letterLog, lost []letterHit) (left []letterHit, err error) {
	wrong := false
	look := func(x *letterIndex) {
		left = nil
		for _, h := range lost {
			if e, ok := x.byID[h.id]; ok && e.born == h.born {
				left = append(left, e.hit())
				wrong = wrong || e.place == h.place
			}
		}
	}
	if err := s.view(ctx, l, look); err != nil || !wrong {
		return left, err
	}
	err = l.taking(ctx, func() error {
		l.reset()
		return nil
	})
	if err == nil {
		err = s.view(ctx, l, look)
	}
	return left, err
}

// readAll reads letters that are in the order of their places, and returns those that are not there.
func (s *letterStore) readAll(ctx context.Context, l *letterLog, hits []letterHit, lines map[string]*letterline.Line) (lost []letterHit, err error) {
	for began := time.Now(); len(hits) > 0; {
		g, err := s.glanceAt(ctx, l, hits)
		if code(err) == kafka.OffsetOutOfRange || absent(err) {
			return append(lost, hits...), nil
		}
		if err != nil {
			if !passing(err) || !s.soon(ctx, began) {
				return lost, err
			}
			_ = s.client.refresh(ctx) // the reading says what is wrong
			continue
		}
		for len(hits) > 0 && hits[0].place < g.next {
			line, err := letterAt(g.records, hits[0])
			if err != nil {
				return lost, err
			}
			if line == nil {
				lost = append(lost, hits[0])
			} else {
				lines[line.ID] = line
			}
			hits = hits[1:]
		}
	}
	return lost, nil
}

// glanceAt reads from the first of the letters on, about as far as the next ones are close to it.
func (s *letterStore) glanceAt(ctx context.Context, l *letterLog, hits []letterHit) (glance, error) {
	bytes := 0
	for i, h := range hits {
		if i > 0 && h.place-hits[i-1].place > letterGap || bytes >= portionBytes {
			break
		}
		bytes += h.size + 1<<10
	}
	at := wanted(0, hits[0].place)
	at.PartitionMaxBytes = int32(min(bytes, portionBytes)) //nolint:gosec // not more than the constant
	return s.client.glance(ctx, l.topic, at)
}

// letterAt returns the letter if it is among the records, where it is said to be.
func letterAt(rs []record, h letterHit) (*letterline.Line, error) {
	i, ok := slices.BinarySearchFunc(rs, h.place, func(r record, at int64) int { return cmp.Compare(r.offset, at) })
	if !ok || string(rs[i].key) != h.id || rs[i].value == nil {
		return nil, nil //nolint:nilnil // it is not there, which is no error
	}
	line, err := letterline.Decode(rs[i].value)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", letterName(h.id), err)
	}
	return line, nil
}
