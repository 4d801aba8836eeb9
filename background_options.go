package eventbus

import (
	"context"
	"fmt"
	"log/slog"
)

// BackgroundOptions are the settings of [Background]. The zero value works.
type BackgroundOptions struct {
	// Bound is how many events may be queued or under way. A call with more events
	// than that is refused. Zero means 10,000.
	Bound int
	// WhenFull says what Publish does when there is no room. Zero means WaitWhenFull.
	WhenFull FullMode
	// Failed is told each event that was not stored, or may not have been, and why: err
	// matches ErrRefused or ErrUnknown. It is called for one event at a time, and what is
	// queued waits for it, so it should return quickly; a panic in it is logged and
	// changes nothing else. ctx has the values of the publisher's context and does not
	// end. Publish with this ctx queues beyond the bound, with another one it may wait for
	// itself, and so may two that publish their failures on each other; Shutdown with
	// this ctx is refused. Zero means that failures are logged.
	Failed func(ctx context.Context, e DomainEvent, err error)
	// Logger gets failures that no function is told of, rate-limited: one every 10 s,
	// with the number of those left out. Zero means slog.Default().
	Logger *slog.Logger
	// Clock is the time that events without one get, and of the rate limit. Zero means
	// the system's.
	Clock Clock
}

// FullMode says what Publish does when a bounded queue has no room for an event.
type FullMode int

const (
	// WaitWhenFull waits for room until the context ends, in the order of coming.
	WaitWhenFull FullMode = iota
	// FailWhenFull returns an error that matches ErrFull at once.
	FailWhenFull
)

// BackgroundStats are the counters of a [BackgroundBus] since it was made, in events.
// At any time Queued = Published + Failed + UnderWay + Waiting.
type BackgroundStats struct {
	Queued    uint64 // taken into the queue
	Published uint64 // of those, stored by the bus beneath
	Failed    uint64 // of those, refused by it or of unknown outcome
	UnderWay  int    // of those, being handed over now
	Waiting   int    // of those, waiting now
	Refused   uint64 // not taken, as there was no room
	Direct    uint64 // handed straight to the bus beneath by handlers, stored or not
}

const (
	defaultBound = 10_000
	limitBound   = 10_000_000
)

func (o BackgroundOptions) withDefaults() BackgroundOptions {
	if o.Bound == 0 {
		o.Bound = defaultBound
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = SystemClock()
	}
	return o
}

func (o BackgroundOptions) validate() (errs []error) {
	if o.Bound < 0 || o.Bound > limitBound {
		errs = append(errs, invalid("bound", "must be from 1 to 10,000,000, or 0 for the default", fmt.Sprint(o.Bound)))
	}
	if o.WhenFull != WaitWhenFull && o.WhenFull != FailWhenFull {
		errs = append(errs, invalid("when_full", "must be WaitWhenFull or FailWhenFull", fmt.Sprint(int(o.WhenFull))))
	}
	return errs
}
