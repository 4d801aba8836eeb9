package rabbitbus

import "context"

// view calls look, which changes nothing, with the index as of a moment after the call. It
// returns the number of the reading, for viewSince.
func (s *letterStore) view(ctx context.Context, l *letterLog, look func(*letterIndex)) (uint64, error) {
	reading := l.begun.Load() + 1
	return reading, s.viewSince(ctx, l, reading, look)
}

// viewSince calls look with the index as of that reading, or later.
func (s *letterStore) viewSince(ctx context.Context, l *letterLog, reading uint64, look func(*letterIndex)) error {
	return l.taking(ctx, func() error {
		if l.done < reading {
			if err := s.refresh(ctx, l); err != nil {
				return err
			}
		}
		look(l.index)
		return nil
	})
}

// letterMoment is that of a record that was written to the generation.
type letterMoment struct {
	nonce      string
	generation uint64
	twice      bool // it stands in the generation before too, and may have been heeded there
}

// viewPast is view, with the index as of a moment after the one given, whose record is awaited.
// In a cluster a node may be behind, and is read again until it is not.
func (s *letterStore) viewPast(ctx context.Context, l *letterLog, m letterMoment, look func(*letterIndex)) error {
	for {
		past := false
		_, err := s.view(ctx, l, func(x *letterIndex) {
			if past = l.past(m); past {
				look(x)
			}
		})
		if past || err != nil {
			return err
		}
		if !pause(ctx, letterPause) {
			return ctx.Err()
		}
	}
}

// past reports whether the record was read, or its generation is over and with it the record.
func (l *letterLog) past(m letterMoment) bool {
	return m.nonce == "" || l.saw(m.nonce) || len(l.read) > 0 && l.read[0].generation > m.generation
}

// end is the place of the last record that was read.
func (l *letterLog) end() letterPlace {
	if len(l.read) == 0 {
		return letterPlace{}
	}
	r := &l.read[len(l.read)-1]
	return letterPlace{r.generation, r.scan.next}
}

// known calls look with the index as it is, which may be empty.
func (l *letterLog) known(ctx context.Context, look func(*letterIndex)) error {
	return l.taking(ctx, func() error {
		look(l.index)
		return nil
	})
}

func (l *letterLog) taking(ctx context.Context, do func() error) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	return do()
}
