package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

func TestInlineHandlersWaitForStartAndResumeInOrder(t *testing.T) {
	s := newStage(t, memory.Options{Mode: memory.Inline, Capacity: 3})
	sub := s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		_ = s.note("a", nil)(ctx, e)
		if e.AggregateID == "order-1" { // what comes while it catches up stands in line
			return s.Publish(ctx, payment(9))
		}
		return nil
	})
	s.publish(payment(1), payment(2))
	require.Empty(t, s.seen())
	require.Equal(t, 2, s.stats("a").Waiting)
	require.NoError(t, s.Start(t.Context()))
	require.Equal(t, []string{"a order-1", "a order-2", "a order-9"}, s.seen())

	sub.Pause()
	s.publish(payment(3))
	s.publish(payment(4), payment(5))
	err := s.Publish(t.Context(), payment(6))
	var full *memory.FullError
	require.ErrorAs(t, err, &full)
	require.Equal(t, memory.FullError{Group: "default.a", Waiting: 3, Capacity: 3, Members: 1}, *full)
	sub.Resume()
	sub.Resume()
	s.publish(payment(7))
	require.Equal(t, []string{"a order-3", "a order-4", "a order-5", "a order-7"}, s.seen())
	require.Equal(t, uint64(7), s.stats("a").Handled)
}

// One without room refuses those behind it too, whoever they are for.
func TestInlineEventsDoNotOvertakeOneThatIsRefused(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline, Capacity: 1})
	sub := s.on("all", s.note("all", nil))
	_, err := s.Subscribe(t.Context(), eventbus.Subscriber{Name: "lost", Events: []string{"order.lost"}, Handler: eventbus.HandlerFunc(s.note("lost", nil))})
	require.NoError(t, err)
	sub.Pause()
	s.publish(payment(1))
	err = s.Publish(t.Context(), payment(2), eventbus.Named("order.lost", "x", 1))
	var failed *eventbus.PublishError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 2)
	require.Empty(t, s.seen())
}

func TestInlineCatchingUpSurvivesAHandlerThatEndsItsGoroutine(t *testing.T) {
	s := newStage(t, memory.Options{Mode: memory.Inline})
	s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.AggregateID == "order-1" {
			panicExit()
		}
		return s.note("a", nil)(ctx, e)
	})
	s.publish(payment(1), payment(2))
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Start(t.Context()) }()
	<-ended
	s.publish(payment(3))
	require.Equal(t, []string{"a order-2", "a order-3"}, s.seen())
	require.Len(t, s.letters(), 1)
}

func TestAStoppedInlineSubscriberGetsNothingMore(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	var sub eventbus.Subscription
	sub = s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		_ = s.note("a", nil)(ctx, e)
		require.NoError(t, sub.Stop(ctx)) // in its own handler it waits for nobody
		select {
		case <-sub.Done():
			t.Error("it has ended while its handler runs")
		default:
		}
		return nil
	})
	s.publish(payment(1))
	<-sub.Done()
	s.publish(payment(2))
	require.Equal(t, []string{"a order-1"}, s.seen())
	require.NoError(t, sub.Stop(t.Context()))
	require.NoError(t, sub.Err())
	groups, err := s.Groups(t.Context())
	require.NoError(t, err)
	require.Empty(t, groups)
	s.on("a", s.note("again", nil))
	s.publish(payment(3))
	require.Equal(t, []string{"again order-3"}, s.seen())
}

func TestInlineShutdownLetsHandlersFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline})
		sub := s.on("slow", func(ctx context.Context, e eventbus.DomainEvent) error {
			_ = s.note("slow", nil)(ctx, e)
			if e.AggregateID == "order-1" {
				time.Sleep(5 * time.Second)
				return s.Publish(ctx, payment(2))
			}
			return nil
		})
		go func() { _ = s.Publish(t.Context(), payment(1)) }()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, s.Shutdown(t.Context()))
		require.Equal(t, 5*time.Second, time.Since(began))
		<-sub.Done()
		require.Equal(t, []string{"slow order-1", "slow order-2"}, s.seen())
		require.ErrorIs(t, s.Publish(t.Context(), payment(3)), eventbus.ErrClosed)
		require.ErrorIs(t, s.Start(t.Context()), eventbus.ErrClosed)
		require.ErrorIs(t, s.Health(t.Context()), eventbus.ErrClosed)
		_, err := s.Subscribe(t.Context(), eventbus.Subscriber{Name: "b", Events: []string{"#"}, Handler: eventbus.HandlerFunc(s.note("b", nil))})
		require.ErrorIs(t, err, eventbus.ErrClosed)
		require.NoError(t, s.Shutdown(t.Context()))
	})
}

func TestInlineShutdownSaysWhatStillRunsWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline})
		release := make(chan struct{})
		s.on("stuck", func(ctx context.Context, _ eventbus.DomainEvent) error {
			<-release
			require.ErrorIs(t, s.Publish(ctx, payment(2)), eventbus.ErrClosed)
			return nil
		})
		go func() { _ = s.Publish(t.Context(), payment(1)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		require.ErrorIs(t, err, eventbus.ErrUnfinished)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(release)
		require.NoError(t, s.Shutdown(t.Context()))
	})
}

func TestInlineRefusesWhatOtherBusesRefuse(t *testing.T) {
	for _, mode := range []memory.Mode{memory.Inline, memory.InlineTogether, memory.Manual} {
		t.Run(mode.String(), func(t *testing.T) {
			s := started(t, memory.Options{Mode: mode})
			s.on("a", s.note("a", nil))
			require.ErrorIs(t, s.Publish(nil, payment(1)), eventbus.ErrInvalid) //nolint:staticcheck // on purpose
			over, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, s.Publish(over, payment(1)), context.Canceled)
			require.NoError(t, s.Publish(over))
			require.ErrorIs(t, s.Publish(t.Context(), payment(1).WithID("\x00")), eventbus.ErrInvalid)
			twin := payment(1)
			err := s.Publish(t.Context(), payment(5), twin, twin)
			var failed *eventbus.PublishError
			require.ErrorAs(t, err, &failed)
			require.Len(t, failed.Failed, 3)
			require.ErrorIs(t, failed.Failed[0].Err, eventbus.ErrHeldBack)
			type impostor struct{ paid }
			require.NoError(t, s.Publish(t.Context(), eventbus.New("x", paid{})))
			require.ErrorIs(t, s.Publish(t.Context(), eventbus.New("x", impostor{})), eventbus.ErrInvalid)
			_, err = s.Subscribe(t.Context(), eventbus.Subscriber{Name: "a", Events: []string{"#"}, Handler: eventbus.HandlerFunc(s.note("a", nil))})
			require.ErrorIs(t, err, eventbus.ErrDuplicate)
			_, err = s.Subscribe(t.Context(), eventbus.Subscriber{Name: "no name", Concurrency: -1})
			require.ErrorContains(t, err, "concurrency")
			require.ErrorContains(t, err, "name")
			require.ErrorIs(t, s.Start(t.Context()), eventbus.ErrStarted)
			require.ErrorIs(t, s.DeleteGroup(t.Context(), "default.a"), eventbus.ErrInvalid)
			require.ErrorContains(t, s.DeleteGroup(t.Context(), "default.b"), "must exist")
			st, err := s.Stats(t.Context())
			require.NoError(t, err)
			require.Equal(t, uint64(1), st.Published)
			require.Equal(t, uint64(5), st.Refused)
		})
	}
	_, err := memory.New(memory.Options{Mode: 9, Capacity: -1, Options: eventbus.Options{DeadLetters: eventbus.BlockLetters}})
	require.ErrorContains(t, err, "mode: must be Concurrent, Inline, InlineTogether or Manual")
	require.ErrorContains(t, err, "capacity")
	require.ErrorContains(t, err, "BlockLetters needs the mode Concurrent")
}

func TestALetterThatCannotBeStoredIsLoggedAndTroublesHealth(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline, MaxLetters: 1})
	s.on("bad", func(context.Context, eventbus.DomainEvent) error { return errors.New("no") })
	s.publish(payment(1))
	require.NoError(t, s.Health(t.Context()))
	s.publish(payment(2))
	require.ErrorIs(t, s.Health(t.Context()), dlq.ErrFull)
	require.Contains(t, s.log.lines()[1], "lost: its dead letter cannot be stored")
	require.Equal(t, uint64(2), s.stats("bad").Buried)
}

func TestDroppedLettersAreLogged(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline, Options: eventbus.Options{DeadLetters: eventbus.DropLetters}})
	s.on("bad", func(context.Context, eventbus.DomainEvent) error { return errors.New("no") })
	s.publish(payment(1))
	require.Empty(t, s.letters())
	require.Contains(t, s.log.lines()[0], "dropped")
}

func TestClearBeginsAnewInEveryMode(t *testing.T) {
	for _, mode := range []memory.Mode{memory.Concurrent, memory.Inline, memory.InlineTogether, memory.Manual} {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := started(t, memory.Options{Mode: mode, Options: eventbus.Options{Retry: eventbus.RetryPolicy{Attempts: 1}}})
				bad := s.on("bad", func(context.Context, eventbus.DomainEvent) error { return errors.New("no") })
				s.publish(payment(1))
				if mode == memory.Manual {
					_, err := s.Drain(t.Context(), 1)
					require.NoError(t, err)
				}
				synctest.Wait()
				require.Len(t, s.letters(), 1)
				bad.Pause()
				s.publish(payment(2))

				require.NoError(t, s.Clear(t.Context()))
				<-bad.Done()
				require.Empty(t, s.letters())
				groups, err := s.Groups(t.Context())
				require.NoError(t, err)
				require.Empty(t, groups)

				s.on("bad", s.note("new", nil))
				s.publish(payment(3))
				if mode == memory.Manual {
					n, err := s.Drain(t.Context(), 10)
					require.NoError(t, err)
					require.Equal(t, 1, n)
				}
				synctest.Wait()
				require.Equal(t, []string{"new order-3"}, s.seen())
				require.NoError(t, s.Shutdown(t.Context()))
			})
		})
	}
}

func TestClearIsRefusedInAHandler(t *testing.T) {
	for _, mode := range []memory.Mode{memory.Concurrent, memory.Manual} {
		s := started(t, memory.Options{Mode: mode})
		got := make(chan error, 1)
		s.on("a", func(ctx context.Context, _ eventbus.DomainEvent) error { got <- s.Clear(ctx); return nil })
		s.publish(payment(1))
		if mode == memory.Manual {
			_, err := s.Drain(t.Context(), 1)
			require.NoError(t, err)
		}
		require.ErrorIs(t, <-got, eventbus.ErrInvalid)
		require.NoError(t, s.Shutdown(t.Context()))
	}
}
