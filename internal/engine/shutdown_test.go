package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

func TestShutdownGoesInOrder(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(func(ctx context.Context, e eventbus.DomainEvent) error {
			switch e.ID {
			case "slow":
				rest(5 * time.Second)
				err := r.Publish(ctx, order("x", "9"))
				r.fake.note("handler ends")
				return err
			case "fails":
				return eventbus.RetryAfter(errBoom, time.Minute)
			}
			return nil
		})
		source.ackErrs = []error{nil, errBoom, errBoom}
		r.fake.always(func(context.Context, []Message) []error { r.fake.note("stored"); return nil })
		source.feed(deliveries("a:slow", "a:2", "b:fails", "c:4")...)
		pass(time.Second)
		r.fake.note("shutdown")
		began := time.Now()
		require.NoError(r, r.Shutdown(r.within(time.Hour)))
		require.Equal(r, []string{
			"source0 acked 4", "shutdown", "stored", "handler ends", "source0 acked 1", "ledger written",
			"source0 closed", "member closed", "transport closed",
		}, r.fake.wrote())
		require.Less(r, time.Since(began), 5*time.Second, "retries are not waited for")
		source.feed(deliveries("d:5")...)
		pass(time.Hour)
		require.Equal(r, []uint64{1, 4}, source.acked(), "what was not started is given back")
		require.NoError(r, r.Shutdown(r.Context()), "it is idempotent")
		require.Len(r, r.fake.wrote(), 9)
	})
}

func TestShutdownNamesHandlersThatNeverReturn(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, open := r.gate()
		_, source := r.join(eventbus.Subscriber{Timeout: time.Hour, Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			switch e.ID {
			case "deaf":
				<-gate
			case "fails":
				return eventbus.RetryAfter(errBoom, 100*time.Second)
			}
			return nil
		})})
		r.join(eventbus.Subscriber{Name: "other", Handler: eventbus.HandlerFunc(succeed)})
		source.feed(deliveries("b:fails", "c:3", "a:deaf", "a:4")...)
		pass(time.Minute)
		began := time.Now()
		err := r.Shutdown(r.within(10 * time.Second))
		require.LessOrEqual(r, time.Since(began), 11*time.Second)
		var unfinished *eventbus.UnfinishedError
		require.ErrorAs(r, err, &unfinished)
		require.Equal(r, []eventbus.Unfinished{{
			Group: "default", Subscriber: "mailer", EventID: "deaf", Type: "order.created", Since: began.Add(-time.Minute),
		}}, unfinished.Handling)
		require.Equal(r, []uint64{2}, source.acked())
		require.Equal(r, 1, r.ledger.known()["order/0/1"].Attempts, "what waited is kept nevertheless")
		wrote := r.fake.wrote()
		require.Equal(r, []string{"ledger written", "source0 closed", "member closed", "transport closed"}, wrote[len(wrote)-4:])
		require.NoError(r, source.closedBy, "it was closed while it could still be")
		open()
		pass(time.Minute)
		require.Equal(r, []uint64{2}, source.acked(), "a late success is not acked")
		require.ErrorIs(r, r.Publish(context.WithoutCancel(r.Context()), order("a", "1")), eventbus.ErrClosed)
	})
}

func TestShutdownIsRefusedInAHandler(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		var err error
		_, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
			err = r.Shutdown(ctx)
			return nil
		})
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		require.ErrorIs(r, err, eventbus.ErrInvalid)
		require.ErrorIs(r, r.Shutdown(nil), eventbus.ErrInvalid) //nolint:staticcheck // the case
		require.NoError(r, r.Publish(r.Context(), order("a", "1")), "it has not begun")
	})
}

// What a Publish has begun is ended by Shutdown's time, and is told.
func TestShutdownEndsWhatIsBeingPublished(t *testing.T) {
	for name, traits := range map[string]Traits{"alone": {}, "immediate": {Immediate: true}} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{traits: traits, options: eventbus.Options{PublishTimeout: time.Hour}}, func(r *rig) {
				r.fake.always(takes(2*time.Hour, stored))
				one, two := r.publish(r.Context(), order("a", "1")), r.publish(r.Context(), order("a", "2"))
				began := time.Now()
				err := r.Shutdown(r.within(10 * time.Second))
				require.NoError(r, err)
				require.LessOrEqual(r, time.Since(began), 11*time.Second)
				synctest.Wait()
				require.True(r, one.done() && two.done())
				require.ErrorIs(r, one.err, eventbus.ErrUnknown)
				require.Error(r, two.err)
				require.Equal(r, "transport closed", r.fake.wrote()[0])
				require.Less(r, time.Since(began), time.Minute)
			})
		})
	}
}

func TestShutdownWaitsForWhatIsBeingPublished(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.always(takes(5*time.Second, func(context.Context, []Message) []error { r.fake.note("stored"); return nil }))
		one, two := r.publish(r.Context(), order("a", "1")), r.publish(r.Context(), order("a", "2"))
		require.NoError(r, r.Shutdown(r.Context()))
		synctest.Wait()
		require.NoError(r, errors.Join(one.err, two.err))
		require.Equal(r, []string{"stored", "stored", "transport closed"}, r.fake.wrote())
	})
}

// nil means that all is through.
func TestShutdownTellsThatTheBackendDoesNotLetGo(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, open := r.gate()
		r.fake.closing = gate
		began := time.Now()
		err := r.Shutdown(r.within(time.Second))
		require.ErrorContains(r, err, "eventbus: shutdown: the backend did not let go in time")
		require.ErrorIs(r, err, context.DeadlineExceeded)
		require.LessOrEqual(r, time.Since(began), 2*time.Second)
		open()
		require.NoError(r, r.Shutdown(r.Context()))
	})
}

// A context that has ended leaves a moment in which an idle bus is closed.
func TestShutdownOfAnIdleBusNeedsNoTime(t *testing.T) {
	for range 50 {
		virtual(t, settings{}, func(r *rig) {
			r.on(succeed)
			over, cancel := context.WithCancel(r.Context())
			cancel()
			require.NoError(r, r.Shutdown(over))
			require.Equal(r, "transport closed", r.fake.wrote()[len(r.fake.wrote())-1])
		})
	}
}

func TestStuckHandlersDoNotHoldUpShutdownForEver(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, _ := r.gate()
		_, source := r.on(func(context.Context, eventbus.DomainEvent) error { <-gate; return nil })
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		began := time.Now()
		require.NoError(r, r.Shutdown(r.Context()))
		require.Equal(r, 30*time.Second+grace, time.Since(began))
		require.Empty(r, source.acked(), "its event is given back")
		require.Equal(r, 1, r.ledger.known()["order/0/1"].Attempts)
	})
}

// A worker that does not come back from the store of letters at the end still has its flight
// to itself: the race detector sees whether somebody looks at it. It does so in real time alone.
func TestShutdownOverrunByALetter(t *testing.T) {
	back := make(chan struct{})
	r := &rig{T: t, fake: newFake(t), letters: &fakeLetters{MemoryStore: dlq.NewMemoryStore(dlq.MemoryOptions{}), during: func() { <-back }}}
	var err error
	r.Bus, err = New(Backend{Transport: r.fake, Letters: r.letters}, eventbus.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	called := make(chan struct{})
	_, source := r.join(eventbus.Subscriber{Retry: eventbus.RetryPolicy{Attempts: 1}, Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
		close(called)
		return errBoom
	})})
	source.feed(deliveries("a:1")...)
	<-called
	require.Error(t, r.Shutdown(r.within(time.Millisecond)))
	close(back)
	_ = r.Shutdown(t.Context()) // it was told that already
}
