package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// broken is an error that cannot be looked at.
type broken struct{ err error }

func (b *broken) Error() string { return b.err.Error() }
func (b *broken) Unwrap() error { return b.err }

func TestAHandlerThatFailsInAnyWayIsTriedAgainAndBuried(t *testing.T) {
	for name, c := range map[string]struct {
		fail   func() error
		reason dlq.Reason
		text   string
	}{
		"error":        {func() error { return errBoom }, dlq.HandlerError, "boom"},
		"panic":        {func() error { panic("oh no") }, dlq.Panic, "handler panicked: oh no"},
		"panic, error": {func() error { panic(errBoom) }, dlq.Panic, "handler panicked: boom"},
		"panic, nil":   {func() error { panic(nil) }, dlq.Panic, "nil"}, //nolint:govet // the case
		"Goexit":       {func() error { runtime.Goexit(); return nil }, dlq.Panic, "runtime.Goexit"},
		"typed nil":    {func() error { var e *broken; return e }, dlq.Panic, "nil pointer"},
		"broken text":  {func() error { return fmt.Errorf("wrapped: %w", &broken{}) }, dlq.Panic, "nil pointer"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				_, source := r.join(eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(
					func(_ context.Context, e eventbus.DomainEvent) error {
						if e.AggregateID == "bad" {
							return c.fail()
						}
						return nil
					})})
				source.feed(deliveries("bad:1", "good:2", "bad:3", "good:4")...)
				synctest.Wait()
				require.Equal(r, []uint64{2, 4}, source.acked(), "others go on with the only slot")
				pass(time.Minute)
				require.Equal(r, []uint64{1, 2, 3, 4}, source.acked())
				require.Len(r, r.buried(), 2)
				l := r.buried()[0]
				require.Equal(r, c.reason, l.Reason)
				require.Contains(r, l.Errors[0], c.text)
				require.Equal(r, 3, l.Attempts)
				if c.reason == dlq.Panic && name != "Goexit" {
					require.Contains(r, l.Stack, "attempt_test.go")
				}
				st := r.stats()
				require.Equal(r, []uint64{8, 6, 4, 2, 2}, []uint64{st.Attempts, st.Failed, st.Retried, st.Handled, st.Buried})
				require.Zero(r, st.Running)
				require.Len(r, saw(r.seen, &r.seen.handled), 8)
			})
		})
	}
}

func TestAHandlerThatObeysItsTimeOutFailsWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // its end, from its time-out on
		err   error
		texts []string
	}{
		"at once":             {0, context.DeadlineExceeded, []string{"handler timed out after 2s"}},
		"within the grace":    {4 * time.Second, errBoom, []string{"handler timed out after 2s: boom"}},
		"with another reason": {0, eventbus.RetryAfter(errBoom, time.Second), []string{"handler timed out after 2s: retry after 1s: boom"}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				_, source := r.join(eventbus.Subscriber{Timeout: 2 * time.Second, Handler: eventbus.HandlerFunc(
					func(ctx context.Context, _ eventbus.DomainEvent) error {
						<-ctx.Done()
						rest(c.after)
						return c.err
					})})
				source.feed(deliveries("a:1")...)
				pass(time.Minute)
				require.Equal(r, []uint64{1}, source.acked())
				l := r.buried()[0]
				require.Equal(r, dlq.Timeout, l.Reason)
				require.Equal(r, 3, l.Attempts)
				require.Subset(r, l.Errors, c.texts)
				require.Zero(r, r.stats().Stuck)
				require.False(r, saw(r.seen, &r.seen.buried)[0].Stuck)
				require.ErrorIs(r, saw(r.seen, &r.seen.handled)[0].Err, eventbus.ErrTimeout)
			})
		})
	}
}

func TestAHandlerThatSucceedsAfterItsTimeOutHasHandledTheEvent(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.join(eventbus.Subscriber{Timeout: time.Second, Handler: eventbus.HandlerFunc(
			func(context.Context, eventbus.DomainEvent) error { rest(5 * time.Second); return nil })})
		source.feed(deliveries("a:1", "a:2")...)
		pass(time.Minute)
		require.Equal(r, []uint64{1, 2}, source.acked())
		require.Equal(r, uint64(2), r.stats().Handled)
		require.Zero(r, r.stats().Failed)
		require.Empty(r, r.buried())
	})
}

func TestMiddlewareRunsOncePerAttemptTheFirstOutermost(t *testing.T) {
	var lines []string
	layer := func(name string) eventbus.Middleware {
		return func(next eventbus.Handler) eventbus.Handler {
			return eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
				lines = append(lines, name)
				return next.Handle(ctx, e)
			})
		}
	}
	set := settings{options: eventbus.Options{Middleware: []eventbus.Middleware{layer("outer"), layer("inner")}}}
	virtual(t, set, func(r *rig) {
		_, source := r.on(func(context.Context, eventbus.DomainEvent) error {
			lines = append(lines, "handler")
			if len(lines) < 4 {
				return errors.New("once more")
			}
			return nil
		})
		source.feed(deliveries("a:1")...)
		pass(time.Minute)
		require.Equal(r, []string{"outer", "inner", "handler", "outer", "inner", "handler"}, lines)
	})
}
