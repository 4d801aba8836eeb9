package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Ack settles deliveries.
func (s *source) Ack(ctx context.Context, rs []engine.Receipt) error {
	defer s.use(1, "Ack")()
	w := s.world
	lasted := w.delay(ctx, ackLate, 100*time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.strikes(ackGone) {
		s.end("gone while acking")
	}
	switch {
	case s.gone:
		s.lateAcks += len(rs)
		return s.tell()
	case !lasted:
		s.harm(rs)
		return fmt.Errorf("ack: %w", ctx.Err())
	case w.strikes(ackFails):
		s.harm(rs)
		return errDown
	}
	forgotten := w.strikes(ackForgotten)
	for _, r := range rs {
		s.ack(r.N, forgotten)
	}
	if forgotten {
		return errDown
	}
	return nil
}

// harm notes that a failed ack may let these be handled again, if there is no other.
func (s *source) harm(rs []engine.Receipt) {
	for _, r := range rs {
		if it := s.out[r.N]; it != nil {
			s.group.book(it.id).harm++
		}
	}
}

func (s *source) ack(n uint64, forgotten bool) {
	w := s.world
	it := s.out[n]
	switch {
	case it == nil && s.acked[n]:
		w.violation("", "%s: a delivery of %s is acked twice", s.process.name, s.name())
		return
	case it == nil:
		lost, ok := s.lost[n]
		if !ok {
			w.violation("", "%s: what was never delivered is acked to %s", s.process.name, s.name())
		}
		if c := lost.call; c != nil && c.ended.After(lost.at) {
			w.violation(c.book.event.ID, "acked to %s, though its lease was lost while it was handled", s.name())
		}
		return
	}
	b := s.group.book(it.id)
	if !it.done && !b.done() && b.moves == 0 && s.group.wants(b.event.Type) {
		w.violation(it.id, "acked to %s before it was handled, moved or buried", s.group.full)
	}
	if forgotten {
		it.done = true
		w.note(s.process.name, it.id, "acked to "+s.group.full+", said to have failed")
		return
	}
	delete(s.out, n)
	s.acked[n] = true
	w.note(s.process.name, it.id, "acked to "+s.group.full)
}

// Keep extends leases.
func (s *source) Keep(_ context.Context, rs []engine.Receipt) ([]engine.Receipt, error) {
	defer s.use(1, "Keep")()
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.strikes(keepGone) {
		s.end("gone while keeping")
	}
	switch {
	case s.gone:
		return nil, s.tell()
	case w.strikes(keepFails):
		return nil, errDown
	case w.strikes(keepLost):
		r := rs[w.chance.general.IntN(len(rs))]
		return s.lose(r), nil
	}
	return nil, nil
}

// lose takes the lease of one delivery. Its events come again behind later ones of
// their aggregate, so that the order is not the engine's to keep.
func (s *source) lose(r engine.Receipt) []engine.Receipt {
	it := s.out[r.N]
	if it == nil || it.done {
		return nil
	}
	e := s.world.events[it.id]
	delete(s.out, r.N)
	s.lost[r.N] = loss{time.Now(), s.handling(it.id)}
	s.losses++
	s.group.exempt[e.aggregate()] = true
	b := s.group.book(it.id)
	b.harm++
	b.returns++
	s.world.note(s.process.name, it.id, "its lease is lost")
	s.queue.takeBack(it)
	return []engine.Receipt{r}
}

// handling returns the call of a handler that runs for an event in this process.
func (s *source) handling(id string) *call {
	for _, c := range s.group.running {
		if c.process == s.process && c.book.event.ID == id {
			return c
		}
	}
	return nil
}

// Close gives back what was not acked.
func (s *source) Close(context.Context) error {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.closed || slices.ContainsFunc(s.calls[:], func(c string) bool { return c != "" }) {
		w.violation("", "%s: Close of %s while %q, or closed", s.process.name, s.name(), s.calls)
	}
	s.closed = true
	w.note(s.process.name, "", "closed "+s.name())
	s.giveBack(func(it *item) bool { return s.hurried || s.handling(it.id) != nil })
	s.queue.free(s)
	return nil
}
