package simulation

import (
	"context"
	"maps"
	"time"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// letters are the dead letters as one process sees them.
type letters struct {
	*process
	dlq.Store
}

// Put stores a letter, or not.
func (s *letters) Put(ctx context.Context, l dlq.Letter) error {
	w := s.world
	if !w.delay(ctx, letterLate, 3*time.Second) {
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.dead || w.strikes(letterFails) {
		w.note(s.name, l.EventID, "its letter is not stored")
		return errDown
	}
	if err := s.Store.Put(ctx, l); err != nil {
		return err
	}
	w.note(s.name, l.EventID, "buried by "+l.Subscriber+": "+string(l.Reason))
	w.buried(&l)
	if w.strikes(letterForgotten) {
		w.group(l.Group+"."+l.Subscriber).book(l.EventID).harm++ // it comes again if the process ends first
		return errDown
	}
	return nil
}

// Take leases a letter to one that replays it.
func (s *letters) Take(ctx context.Context, id string, lease time.Duration) (dlq.Letter, error) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.dead {
		return dlq.Letter{}, errDown
	}
	l, err := s.Store.Take(ctx, id, lease)
	if b := w.letterOf[id]; b != nil && err == nil {
		b.harm++
		b.replays++
		w.note(s.name, b.event.ID, "is replayed to "+l.Subscriber)
	}
	return l, err
}

// Remove deletes letters that were replayed, or not.
func (s *letters) Remove(ctx context.Context, ids ...string) (int, error) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.dead || w.strikes(letterFails) {
		return 0, errDown
	}
	n, err := s.Store.Remove(ctx, ids...)
	if err != nil {
		return n, err
	}
	for _, id := range ids {
		if b := w.letterOf[id]; b != nil {
			b.letters[id] = false
		}
	}
	if w.strikes(letterForgotten) {
		return 0, errDown
	}
	return n, nil
}

// buried checks a letter and writes it into the book.
func (w *world) buried(l *dlq.Letter) {
	e, g := w.events[l.EventID], w.group(l.Group+"."+l.Subscriber)
	if e == nil || g == nil {
		w.violation("", "a letter of nobody's event %q to %s.%s", l.EventID, l.Group, l.Subscriber)
		return
	}
	b := g.book(e.ID)
	b.letters[l.ID] = true
	w.letterOf[l.ID] = b
	if l.Reason == dlq.HandlerError && l.Attempts == 0 || l.Attempts > g.retry.Attempts {
		w.violation(e.ID, "buried by %s after %d attempts, of %d", g.full, l.Attempts, g.retry.Attempts)
	}
	if l.LastFailure.Before(l.FirstFailure) && w.clock == nil || l.BuriedAt.IsZero() || l.FirstFailure.IsZero() {
		w.violation(e.ID, "a letter with odd times: %v, %v, %v", l.FirstFailure, l.LastFailure, l.BuriedAt)
	}
}

// ledger is the broker's as one process sees it.
type ledger struct{ *process }

// Load returns what is known of the group.
func (l *ledger) Load(ctx context.Context, group string) (map[string]engine.Tries, error) {
	w := l.world
	lasted := w.delay(ctx, ledgerLate, 50*time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !lasted || l.dead || w.strikes(ledgerFails) {
		return nil, errDown
	}
	return maps.Clone(w.tries[group]), nil
}

// Save replaces what is known.
func (l *ledger) Save(ctx context.Context, group string, tries map[string]engine.Tries) error {
	w := l.world
	lasted := w.delay(ctx, ledgerLate, 50*time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !lasted || l.dead || w.strikes(ledgerFails) {
		return errDown
	}
	if w.tries[group] == nil {
		w.tries[group] = map[string]engine.Tries{}
	}
	for origin, t := range tries {
		if t == (engine.Tries{}) {
			delete(w.tries[group], origin)
		} else {
			w.tries[group][origin] = t
		}
	}
	return nil
}
