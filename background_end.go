package eventbus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// windDown is how long what is under way may take to return after its context has
	// ended.
	windDown = 250 * time.Millisecond
	// lastRest is how long Shutdown waits after that until all failures are told.
	lastRest = 750 * time.Millisecond
)

// Shutdown ends the bus in this order: Publish returns ErrClosed, also to those who
// wait for room; what is queued is handed over, until ctx ends; the bus beneath is shut
// down with what is left of ctx. What could not be handed over in time is told to
// BackgroundOptions.Failed, and named in the error, a [PublishError] that matches
// [ErrUnfinished] (and ErrUnknown for what was under way). It is idempotent, and
// refused in a handler and in Failed, which it would wait for.
func (b *BackgroundBus) Shutdown(ctx context.Context) error {
	if err := b.mayEnd(ctx); err != nil {
		return fmt.Errorf("eventbus: shutdown: %w", err)
	}
	b.close()
	select {
	case <-b.drained:
	default:
		select {
		case <-b.drained:
		case <-ctx.Done():
			b.hurry()
		}
	}
	b.tellOmitted()
	return errors.Join(b.undrained(), b.inner.Shutdown(ctx))
}

func (b *BackgroundBus) mayEnd(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNoContext
	case b.within(ctx):
		return invalid("ctx", "must not be that of a handler, which Shutdown would wait for: call it from another goroutine", "")
	}
	if b.tellingIn(ctx) != nil {
		return invalid("ctx", "must not be that of BackgroundOptions.Failed, which Shutdown would wait for: call it from another goroutine", "")
	}
	return nil
}

// close begins the end.
func (b *BackgroundBus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return
	}
	b.closing = true
	b.backlog.dismiss(errPublishClosed)
	if !b.running {
		close(b.drained)
	}
}

// hurry ends what is under way and fails what is queued, since the time is up.
func (b *BackgroundBus) hurry() {
	b.mu.Lock()
	first := !b.cut
	b.cut = true
	b.mu.Unlock()
	if first {
		b.giveUp()
		time.AfterFunc(windDown, func() { close(b.late) }) // not by the clock of the options, which may stand still
	}
	enough := time.NewTimer(windDown + lastRest)
	defer enough.Stop()
	select {
	case <-b.drained:
	case <-enough.C: // Failed does not return
	}
}

// undrained names what could not be handed over in time.
func (b *BackgroundBus) undrained() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.cut {
		return nil
	}
	lost := b.lost[:len(b.lost):len(b.lost)]
	add := func(events []DomainEvent, why error) {
		for i := range events {
			lost = append(lost, EventError{Index: len(lost), ID: events[i].ID, Type: events[i].Type, Err: why})
		}
	}
	for _, p := range b.wave {
		add(p.events, errAbandoned)
	}
	for _, c := range b.backlog.calls {
		add(c.events, errNotDrained)
	}
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("eventbus: shutdown: %w: the background queue was not drained in time: %w", ErrUnfinished, &PublishError{Total: len(lost), Failed: lost})
}
