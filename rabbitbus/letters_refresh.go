package rabbitbus

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// refresh reads on to the end. The generations may change meanwhile; then it begins anew.
func (s *letterStore) refresh(ctx context.Context, l *letterLog) error {
	n := l.begun.Add(1)
	var err error
	for range 10 {
		err = s.catchUp(ctx, l)
		switch {
		case err == nil:
			l.done = n
			l.size.Store(int64(len(l.index.byID)))
			return nil
		case errors.Is(err, errLetterGone), errors.Is(err, errLetterSilent):
			l.reset()
		default:
			return err
		}
	}
	return fmt.Errorf("%w: %w", errLetterUnsettled, err)
}

// reset forgets everything. Nobody sees what is left before it is read again, except for known.
func (l *letterLog) reset() {
	l.done, l.read, l.index = 0, nil, newLetterIndex()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.awaited {
		w.anew = true
	}
}

func (s *letterStore) catchUp(ctx context.Context, l *letterLog) error {
	g, is, err := s.current(ctx, l)
	if err != nil {
		return err
	}
	if is == brokenLetters {
		if ok, err := s.streamIs(ctx, l.names.generation(g)); err != nil {
			return err
		} else if !ok {
			is = noLetters
		}
	}
	if is == noLetters {
		l.reset()
		return nil
	}
	if err := s.extend(ctx, l, g); err != nil {
		return err
	}
	for i := range l.read {
		r := &l.read[i]
		if r.over {
			continue
		}
		if err := s.readable(ctx, l, r.generation, g); err != nil {
			return err
		}
		if err := s.readOn(ctx, l, r); err != nil {
			return err
		}
		r.over = r.generation < g
	}
	return nil
}

// readable returns errLetterGone for a generation that may be deleted at any moment, as g is
// the current one and has all its letters.
func (s *letterStore) readable(ctx context.Context, l *letterLog, generation, g uint64) error {
	if generation >= g {
		return nil
	}
	if generation+1 == g {
		if ok, err := s.isCopied(ctx, l, g); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s", errLetterGone, l.names.generation(generation))
}

// readableStill is readable for a generation that was the current one, or before it, some time
// ago.
func (s *letterStore) readableStill(l *letterLog, generation uint64) func(context.Context) error {
	return func(ctx context.Context) error {
		g, found, err := s.firstOf(ctx, l, generation)
		if err != nil || found {
			if err == nil {
				err = s.readable(ctx, l, generation, g)
			}
			return err
		}
		g, is, err := s.current(ctx, l)
		if err != nil || is == brokenLetters && g == generation {
			return err
		}
		return s.readable(ctx, l, generation, max(g, generation+1))
	}
}

// isCopied reports whether letters of the generation before are being copied to this one. If
// somebody has deleted their stream meanwhile, there are none.
func (s *letterStore) isCopied(ctx context.Context, l *letterLog, g uint64) (bool, error) {
	ok, err := s.exchangeIs(ctx, l.names.copying(g))
	if err != nil || !ok {
		return false, err
	}
	return s.streamIs(ctx, l.names.generation(g-1))
}

// extend makes the readings those of the generations that there are, of which g is the current
// one: of that before it, if it is not copied yet, and of g.
func (s *letterStore) extend(ctx context.Context, l *letterLog, g uint64) error {
	last := len(l.read) - 1
	if last >= 0 && l.read[last].generation == g {
		return nil
	}
	if last != 0 || l.read[0].generation+1 != g {
		l.reset()
		if g > 0 {
			older, err := s.isCopied(ctx, l, g)
			if err != nil {
				return err
			}
			if older {
				l.begin(g - 1)
			}
		}
	}
	l.begin(g)
	return nil
}

func (l *letterLog) begin(g uint64) {
	l.read = append(l.read, letterReading{generation: g, scan: letterScan{stream: l.names.generation(g)}})
}

// readOn reads a generation to its end. What was read last comes again: if it is another
// record, the stream is not the one that it was.
func (s *letterStore) readOn(ctx context.Context, l *letterLog, r *letterReading) error {
	again := r.scan.begun
	sc := letterScan{
		stream: r.scan.stream, next: r.scan.next, silence: s.bounds.silence,
		window: func() int { return s.bounds.window(l.index.records, l.index.bytes) }, again: s.readableStill(l, r.generation),
	}
	sc.visit = func(d *amqp.Delivery) error {
		if again {
			again = false
			if offsetOf(d) != r.scan.next || d.MessageId != r.nonce {
				return fmt.Errorf("%w: there is another under its name", errLetterGone)
			}
			return nil
		}
		s.apply(l, r.generation, d)
		r.scan.begun, r.scan.next, r.nonce = true, offsetOf(d), d.MessageId
		return nil
	}
	return s.scan(ctx, &sc)
}

// apply takes in a record.
func (s *letterStore) apply(l *letterLog, generation uint64, d *amqp.Delivery) {
	rec, err := parseLetterRecord(generation, d)
	l.index.records++
	l.index.bytes += int64(rec.size) + 100
	switch {
	case err != nil:
		s.logger.Warn("rabbitbus: a record of the dead letters cannot be read, and is passed over", "group", l.group, "error", err)
	case rec.entry != nil:
		l.note(l.index.add(rec.entry), rec.entry.ID)
	case rec.kind == letterRemoved:
		l.note(rec.nonce, l.index.remove(&rec)...)
	default:
		l.note(rec.nonce)
	}
}

// note tells who waits for the record that it was read, and which letters it has ended.
func (l *letterLog) note(nonce string, ended ...string) {
	if nonce == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.awaited[nonce]; w != nil {
		w.seen = true
		for _, id := range ended {
			w.ended[id] = true
		}
	}
}
