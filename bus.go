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
	// stored in the order given, none behind one that is unknown or was not stored in
	// time. At most 100,000 events; none is no error.
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
