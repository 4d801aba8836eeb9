package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

var (
	errDown  = errors.New("the broker does not answer")
	errCut   = errors.New("the connection is cut")
	errAgain = fmt.Errorf("%w: %w", engine.ErrNotStored, errDown)
)

// transport is the connection of one process.
type transport struct {
	*process
	sending map[string]bool // shards that a Send is under way for
}

var _ engine.Transport = (*transport)(nil)

// Shard tells topics and groups apart, so that a retry waits for no publisher.
func (t *transport) Shard(to engine.Address, key string) uint32 {
	return uint32(hash(to.Topic, to.Group))<<4 | t.world.shard(key)
}

// Send stores messages, or does something else.
func (t *transport) Send(ctx context.Context, ms []engine.Message) []error {
	leave := t.enter(ms)
	defer leave()
	w := t.world
	lasted := w.delay(ctx, sendLate, 100*time.Millisecond)
	if w.draw(sendStalls) {
		lasted = rest(ctx, 5*time.Second)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := make([]error, len(ms))
	held := map[string]bool{} // keys of which a message was not stored: those behind it are not either
	for i := range ms {
		switch {
		case held[ms[i].Key]:
			errs[i] = errAgain
		case t.closed:
			errs[i] = fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrClosed)
		case t.dead, !lasted && w.chance.coin():
			errs[i] = fmt.Errorf("%w: %w", eventbus.ErrUnknown, errCut)
		default:
			errs[i] = w.take(&ms[i])
		}
		held[ms[i].Key] = held[ms[i].Key] || errors.Is(errs[i], engine.ErrNotStored)
	}
	return errs
}

// enter notes that a Send is under way.
func (t *transport) enter(ms []engine.Message) (leave func()) {
	w := t.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.plan.traits.Immediate {
		return func() {}
	}
	if t.closed {
		w.violation("", "%s: Send after Close", t.name)
	}
	if most := t.plan.traits.Batch; most > 0 && len(ms) > most {
		w.violation("", "%s: %d messages in a Send, of at most %d", t.name, len(ms), most)
	}
	shard := fmt.Sprint(t.Shard(ms[0].To, ms[0].Key), ms[0].Beyond)
	if t.sending[shard] {
		w.violation("", "%s: two Sends at once for one shard", t.name)
	}
	t.sending[shard] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		t.sending[shard] = false
	}
}

// take stores a message, or not.
func (w *world) take(m *engine.Message) error {
	e := w.read(m)
	if e == nil {
		return eventbus.ErrRefused
	}
	told := func(what string) { w.note("broker", e.ID, what+" for "+m.To.Topic+" "+m.To.Group) }
	switch {
	case w.strikes(sendNotStored):
		told("not stored")
		return errAgain
	case w.strikes(sendRefused):
		told("refused")
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, errDown)
	case w.strikes(sendUnknown):
		if w.chance.coin() {
			told("stored, said to be unknown,")
			w.store(m)
			if m.To.Group != "" { // a move is sent again by right, an event never
				w.mayRepeat(m, e)
			}
		} else {
			told("not stored, said to be unknown,")
		}
		return fmt.Errorf("%w: %w", eventbus.ErrUnknown, errDown)
	case w.strikes(sendTwice):
		told("stored twice")
		w.store(m)
		w.store(m)
		w.mayRepeat(m, e)
		return nil
	}
	told("stored")
	w.store(m)
	return nil
}

// mayRepeat notes that the message is there twice, or will be by right.
func (w *world) mayRepeat(m *engine.Message, e *event) {
	if m.To.Group == "" {
		e.twice++
	} else if g := w.group(m.To.Group); g != nil {
		b := g.book(e.ID)
		b.harm++
		b.replays++ // if it is one, its letter may stay and another one come
	}
}

// Join makes a member of a group.
func (t *transport) Join(ctx context.Context, g engine.Group) (engine.Member, error) {
	w := t.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.dead || w.strikes(joinFails) {
		return nil, errDown
	}
	m := &member{process: t.process, group: w.group(g.Name), wake: make(chan struct{}, 1)}
	m.group.members = append(m.group.members, m)
	w.note(t.name, "", "joined "+g.Name)
	for _, q := range m.group.queues {
		q.assign()
	}
	return m, ctx.Err()
}

// Close ends the connection. By then all that was read from it must be closed.
func (t *transport) Close(context.Context) error {
	w := t.world
	w.mu.Lock()
	defer w.mu.Unlock()
	t.closed = true
	for _, g := range w.groups {
		for _, m := range g.members {
			if m.process == t.process && !t.dead {
				w.violation("", "%s: the transport is closed before its member of %s", t.name, g.full)
			}
		}
		for _, q := range g.queues {
			if q.owner != nil && q.owner.process == t.process && !t.dead {
				w.violation("", "%s: the transport is closed before its source of %s", t.name, g.full)
			}
		}
	}
	return nil
}
