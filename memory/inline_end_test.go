package memory_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

func TestAHandlerThatEndsItsGoroutineIsALetterAndStopsNoOther(t *testing.T) {
	for _, mode := range []memory.Mode{memory.Inline, memory.InlineTogether, memory.Manual} {
		t.Run(mode.String(), func(t *testing.T) {
			s := started(t, memory.Options{Mode: mode})
			s.on("bad", func(context.Context, eventbus.DomainEvent) error { runtime.Goexit(); return nil })
			s.on("good", s.note("good", nil))
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = s.Publish(t.Context(), payment(1))
				if mode == memory.Manual {
					_, _ = s.Drain(t.Context(), 1)
				}
			}()
			<-ended
			require.Equal(t, []string{"good order-1"}, s.seen())
			require.Len(t, s.letters(), 1)
			require.Equal(t, uint64(1), s.stats("bad").Buried)
			require.NoError(t, s.Shutdown(t.Context()))
		})
	}
}

func TestInlineNeedsNoStart(t *testing.T) {
	s := newStage(t, memory.Options{Mode: memory.Inline})
	s.on("a", s.note("a", nil))
	s.publish(payment(1))
	require.Equal(t, []string{"a order-1"}, s.seen())
}

func TestInlinePublishWaitsForAPausedSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline, Options: eventbus.Options{PublishTimeout: time.Minute}})
		sub := s.on("a", s.note("a", nil))
		s.on("b", s.note("b", nil))
		sub.Pause()
		sub.Pause()
		go func() { _ = s.Publish(t.Context(), payment(1)) }()
		synctest.Wait()
		require.Empty(t, s.seen())
		require.Equal(t, 1, s.stats("a").Running)
		sub.Resume()
		sub.Resume()
		synctest.Wait()
		require.Equal(t, []string{"a order-1", "b order-1"}, s.seen())

		sub.Pause()
		began := time.Now()
		s.publish(payment(2)) // it is not lost, and stops nobody else
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, []string{"b order-2"}, s.seen())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, s.Publish(ctx, payment(3)))
		ls := s.letters()
		require.Len(t, ls, 2)
		require.Contains(t, ls[0].Errors[0], "its subscriber is paused")
		require.Zero(t, ls[0].Attempts)
		res, err := s.DeadLetters().Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
		require.NoError(t, err)
		require.Equal(t, 2, res.Failed)
		require.ErrorContains(t, s.DeadLetters().ReplayOne(t.Context(), ls[0].ID, dlq.ReplayOptions{}), "is paused")
		require.Len(t, s.letters(), 2)

		go func() { _ = s.Publish(t.Context(), payment(4)) }()
		synctest.Wait()
		require.NoError(t, s.Shutdown(t.Context()), "who waits is sent away")
		require.Len(t, s.letters(), 3)
	})
}

func TestAStoppedSubscriberSendsWaitingPublishersOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline})
		sub := s.on("a", s.note("a", nil))
		sub.Pause()
		done := make(chan error, 1)
		go func() { done <- s.Publish(t.Context(), payment(1)) }()
		synctest.Wait()
		require.NoError(t, sub.Stop(t.Context()))
		<-sub.Done()
		require.NoError(t, <-done)
		require.Empty(t, s.letters())
	})
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

// So many retry that some always come at the same time.
func TestInlineShutdownUnderHammering(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	var ended, late, stop atomic.Bool
	s.on("a", func(context.Context, eventbus.DomainEvent) error {
		if ended.Load() {
			late.Store(true)
		}
		runtime.Gosched()
		return nil
	})
	var publishers sync.WaitGroup
	for range 32 {
		publishers.Go(func() {
			for !stop.Load() {
				_ = s.Publish(t.Context(), payment(1))
			}
		})
	}
	require.Eventually(t, func() bool { return s.stats("a").Handled > 1000 }, time.Minute, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, s.Shutdown(ctx))
	ended.Store(true)
	for range 1000 {
		runtime.Gosched()
	}
	stop.Store(true)
	publishers.Wait()
	require.False(t, late.Load(), "a handler began after Shutdown had returned")
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
		var unfinished *eventbus.UnfinishedError
		require.ErrorAs(t, err, &unfinished)
		require.Equal(t, []eventbus.Unfinished{{Group: "default", Subscriber: "stuck"}}, unfinished.Handling)
		require.ErrorContains(t, err, "default.stuck is handling an event")
		close(release)
		require.NoError(t, s.Shutdown(t.Context()))
	})
}

// Others go on publishing: Shutdown serves them only as long as a call is under way that
// may have called them.
func TestInlineShutdownIsNotHeldUpByOtherPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline})
		s.on("slow", func(context.Context, eventbus.DomainEvent) error { time.Sleep(time.Second); return nil })
		for i := range 4 {
			go func() {
				time.Sleep(time.Duration(i) * time.Second / 4)
				for s.Publish(t.Context(), payment(1)) == nil {
				}
			}()
		}
		time.Sleep(10 * time.Second)
		began := time.Now()
		require.NoError(t, s.Shutdown(t.Context()))
		require.LessOrEqual(t, time.Since(began), 2*time.Second)
	})
}
