package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// successor goes on behind what this one has finished. Tried is what was tried of the rest.
func (s *source) successor(e *epoch, tried map[string]bool) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := known{progress{s.progress.end, slices.Clone(s.progress.done)}, s.last, s.handed, s.progress.end}
	return newSource(e, s.place, k, tried)
}

// withdraw asks it back.
func (s *source) withdraw() { s.once.withdraw.Do(func() { close(s.withdrawn) }) }

// lose says that others have the partition.
func (s *source) lose() { s.end(engine.ErrGone) }

// end ends it for the reason given.
func (s *source) end(why error) {
	s.once.lose.Do(func() {
		s.why = why
		close(s.lost)
	})
}

// abandon closes it, of which nothing was handed out.
func (s *source) abandon() {
	s.once.close.Do(func() {
		s.mu.Lock()
		s.clean = true
		s.mu.Unlock()
		close(s.closed)
	})
}

// orphan leaves it without a generation, and reports whether it is still in use.
func (s *source) orphan() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch = nil
	return !s.ended()
}

// ended reports that it was given back, or lost.
func (s *source) ended() bool {
	select {
	case <-s.closed:
		return true
	case <-s.lost:
		return true
	default:
		return false
	}
}

// move lets it go on in another generation.
func (s *source) move(e *epoch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch, s.latest = e, e.as.generation
	close(s.moved)
	s.moved = make(chan struct{})
}

// assigned is the generation that has assigned it last.
func (s *source) assigned() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// over says that the source is, or that it is asked back, if one minds that.
func (s *source) over(minds bool) error {
	select {
	case <-s.lost:
		return fmt.Errorf("%w: %w", engine.ErrGone, s.why)
	default:
	}
	select {
	case <-s.withdrawn:
		if minds {
			return engine.ErrWithdrawn
		}
	default:
	}
	return nil
}

// commit has what is noted now committed, in whatever generation the source is or comes to be.
func (s *source) commit(ctx context.Context) error {
	for {
		s.mu.Lock()
		e, moved := s.epoch, s.moved
		s.mu.Unlock()
		if e != nil {
			if err := e.commit(ctx, s.place); !errors.Is(err, errEnded) {
				return err
			}
		}
		select {
		case <-moved:
		case <-s.lost:
			return engine.ErrGone
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(orphanRest): // a generation that has ended lets go in a moment
		}
	}
}

const orphanRest = 20 * time.Millisecond

// wakeFetch says that there is room.
func (s *source) wakeFetch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != nil {
		wakeUp(s.epoch.hungry)
	}
}
