package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Mode says which goroutines run the handlers of a bus; the package documentation
// compares them.
type Mode int

const (
	// Concurrent runs handlers in goroutines of the bus: aggregate by aggregate in
	// order, with retries.
	Concurrent Mode = iota
	// Inline runs them in Publish, one after another in the order of their
	// registration, and Publish waits for them.
	Inline
	// InlineTogether is Inline with all handlers of one event at the same time.
	InlineTogether
	// Manual lets events wait until [Bus.Drain] runs the handlers.
	Manual
)

func (m Mode) String() string {
	names := [...]string{"Concurrent", "Inline", "InlineTogether", "Manual"}
	if m < 0 || int(m) >= len(names) {
		return fmt.Sprintf("Mode(%d)", int(m))
	}
	return names[m]
}

// Drain handles the events that wait, first in, first out, at most limit of them, in
// the caller's goroutine, and returns how many it took; the rest stays. It needs the
// mode [Manual] and a started bus, and one runs at a time.
//
// An event that a handler fails is a dead letter, and the next one goes on. What
// handlers publish joins the queue, beyond its bound. Handlers have a context that
// derives from ctx; when ctx ends, Drain returns its error after the event in hand.
func (b *Bus) Drain(ctx context.Context, limit int) (int, error) {
	if b.direct == nil {
		return 0, fmt.Errorf("eventbus: drain: %w: only a bus in the mode Manual is drained", errors.ErrUnsupported)
	}
	return b.direct.Drain(ctx, limit)
}

// Clear is for tests that share a bus: it ends all subscriptions of the bus, and
// forgets its groups with what waits in them and its dead letters. The bus goes on,
// started if it was; its counters stay. Clear must not be called from a handler.
func (b *Bus) Clear(ctx context.Context) error { return b.bus.Clear(ctx) }

func newDirect(o Options) (*Bus, error) {
	common := o.broker().withDefaults()
	o.Clock = common.Clock
	direct, err := engine.NewDirect(engine.Manner{
		Manual:   o.Mode == Manual,
		Together: o.Mode == InlineTogether,
		Encode:   o.Encode,
		Wait:     o.WhenFull == WaitWhenFull,
		Capacity: common.Capacity,
		Full: func(waiting int, cause error) error {
			return &FullError{Waiting: waiting, Capacity: common.Capacity, Err: cause}
		},
	}, dlq.NewMemoryStore(dlq.MemoryOptions{Max: common.MaxLetters, Now: common.Clock.Now}), o.Options)
	if err != nil {
		return nil, err
	}
	return &Bus{bus: direct, direct: direct}, nil
}

// validateMode returns what is wrong with the mode, joined.
func (o Options) validateMode() error {
	var errs []error
	if o.Mode < Concurrent || o.Mode > Manual {
		errs = append(errs, &eventbus.ValidationError{Field: "mode", Rule: "must be Concurrent, Inline, InlineTogether or Manual", Value: fmt.Sprint(int(o.Mode))})
	}
	if o.Mode != Concurrent && o.DeadLetters == eventbus.BlockLetters {
		errs = append(errs, &eventbus.ValidationError{Field: "dead_letters", Rule: "BlockLetters needs the mode Concurrent: in others nothing is tried again", Value: o.Mode.String()})
	}
	return errors.Join(errs...)
}
