package eventbus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// EventBus publishes events and hands them to subscribers. All methods may be
// called concurrently, and from handlers unless said otherwise.
type EventBus interface {
	// Publish returns nil only when the backend has durably taken every event. It
	// needs no Start. The whole batch is validated before anything is sent: one bad
	// event and nothing is. Otherwise a [PublishError] says for each failed event
	// whether it was refused or its outcome is unknown. Events of one aggregate are
	// stored in the order given. At most 100,000 events; none is no error.
	Publish(ctx context.Context, events ...DomainEvent) error
	// Subscribe joins a subscriber; its group exists, durably, when it returns.
	// Handling begins with Start, or at once after it.
	Subscribe(ctx context.Context, s Subscriber) (Subscription, error)
	// Start opens the tap. It fails fast on a bad connection or setup; ctx bounds
	// only the start.
	Start(ctx context.Context) error
	// Shutdown stops receiving, lets running handlers finish and acknowledges them
	// until ctx ends; then it cancels them and returns an [UnfinishedError]. It does
	// not wait for retries, and gives back what was not started. Once it has begun,
	// Publish returns [ErrClosed], except from handlers that still run. It is
	// idempotent, and is refused from inside a handler, which it would wait for.
	Shutdown(ctx context.Context) error
}

// Subscription is a joined subscriber.
type Subscription interface {
	// Pause starts no further handler until Resume.
	Pause()
	Resume()
	// Stop leaves the group: no handler starts after it was called, running ones
	// are waited for until ctx ends and then cancelled. The group itself stays and
	// collects events. Called by the subscription's own handler it returns at once.
	// It is idempotent.
	Stop(ctx context.Context) error
	// Done is closed when the subscription has ended.
	Done() <-chan struct{}
	// Err says why it ended: nil after Stop or Shutdown.
	Err() error
}

// Inspector is implemented by buses that can tell how they are.
type Inspector interface {
	// Stats returns the counters of this process and what waits in the backend.
	Stats(ctx context.Context) (Stats, error)
	// Health returns nil when the backend answers and every subscriber makes
	// progress, else what is wrong, joined.
	Health(ctx context.Context) error
}

// Stats are the counters of one bus in one process since it was made.
type Stats struct {
	Published   uint64 // events stored
	Refused     uint64 // events certainly not stored
	Unknown     uint64 // events that may have been stored
	BeyondBound uint64 // events taken beyond a bound because a handler published them
	Subscribers []SubscriberStats
}

// SubscriberStats are the counters of one subscriber in this process. Once nothing
// is under way they add up: Acked = Handled + Skipped + Moved + Buried. An ack that
// came too late, since a connection or lease was lost, is missing in Acked: that
// delivery is made again.
type SubscriberStats struct {
	Group, Subscriber string
	Received          uint64 // deliveries taken from the backend
	Acked             uint64 // deliveries acknowledged to it
	Handled           uint64 // deliveries that an attempt handled
	Skipped           uint64 // deliveries skipped as unmatched
	Moved             uint64 // deliveries sent to the group again, to be retried
	Buried            uint64 // deliveries buried or dropped
	Attempts          uint64 // handler calls that ended and counted
	Failed            uint64 // of those, the failed ones
	Retried           uint64 // waits before another attempt
	Stuck             uint64 // handlers that did not return after their time-out
	Reconnections     uint64
	InFlight          int       // deliveries under way, held, or not yet acknowledged now
	Running           int       // handlers running now
	Waiting           int       // events waiting in the backend, where it is known
	WindowFullSince   time.Time // since when nothing more fits the window; zero: it does
}

// Admin is implemented by buses that can manage the groups of their backend.
type Admin interface {
	// Groups lists the groups, "<group>.<name>".
	Groups(ctx context.Context) ([]string, error)
	// DeleteGroup removes a group that has no member, with what waits in it. Its
	// dead letters stay.
	DeleteGroup(ctx context.Context, group string) error
}

// Unwrapper is implemented by buses that wrap another one.
type Unwrapper interface{ Unwrap() EventBus }

// As finds the first bus in the chain of wrappers that is a T.
func As[T any](bus EventBus) (T, bool) {
	for bus != nil {
		if t, ok := bus.(T); ok {
			return t, true
		}
		w, ok := bus.(Unwrapper)
		if !ok {
			break
		}
		bus = w.Unwrap()
	}
	var zero T
	return zero, false
}

// Run starts the bus, waits until ctx ends, and shuts it down within the grace,
// under a fresh context. It returns the error of Start or of Shutdown; that ctx
// ended is no error. When Start fails, the bus is shut down too.
func Run(ctx context.Context, bus EventBus, grace time.Duration) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: run: %w", invalid("ctx", "must not be nil", ""))
	}
	startErr := bus.Start(ctx)
	if startErr == nil {
		<-ctx.Done()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(startErr, bus.Shutdown(end))
}
