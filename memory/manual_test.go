package memory_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

// panicExit ends the goroutine, as testing's FailNow does.
func panicExit() { runtime.Goexit() }

func TestManualHandlersRunInDrainFirstInFirstOut(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual})
	s.on("a", s.note("a", nil))
	s.publish(payment(1), payment(2))
	s.publish(payment(3))
	require.Empty(t, s.seen(), "publishing runs no handler")
	require.Equal(t, 3, s.stats("a").Waiting)

	for _, step := range []struct {
		limit, took int
		saw         []string
	}{
		{0, 0, nil},
		{2, 2, []string{"a order-1", "a order-2"}},
		{5, 1, []string{"a order-3"}},
		{5, 0, nil},
	} {
		n, err := s.Drain(t.Context(), step.limit)
		require.NoError(t, err)
		require.Equal(t, step.took, n)
		require.Equal(t, step.saw, s.seen())
	}
	require.Zero(t, s.stats("a").Waiting)
}

func TestManualGoesOnAfterFailuresWhichCanBeReplayed(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual})
	fail := true
	s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.AggregateID == "order-2" && fail {
			return errors.New("no")
		}
		return s.note("a", nil)(ctx, e)
	})
	s.publish(payment(1), payment(2), payment(3))
	n, err := s.Drain(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []string{"a order-1", "a order-3"}, s.seen())

	fail = false
	res, err := s.DeadLetters().Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
	require.NoError(t, err)
	require.Equal(t, 1, res.Replayed)
	require.Empty(t, s.seen(), "a replay waits for Drain too")
	_, err = s.Drain(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{"a order-2"}, s.seen())
	require.Empty(t, s.letters())
}

func TestWhatManualHandlersPublishJoinsTheQueueBeyondItsBound(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual, Capacity: 2, WhenFull: memory.FailWhenFull})
	s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		_ = s.note("a", nil)(ctx, e)
		d, ok := eventbus.DeliveryOf(ctx)
		require.True(t, ok)
		require.Equal(t, 1, d.Attempt)
		if e.AggregateID != "order-1" {
			return nil
		}
		for i := range 3 {
			if err := s.Publish(ctx, payment(10+i)); err != nil {
				return err
			}
		}
		return nil
	})
	s.publish(payment(1), payment(2))
	err := s.Publish(t.Context(), payment(3), payment(4))
	require.ErrorIs(t, err, eventbus.ErrFull)
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.ErrorContains(t, err, "Drain")
	n, err := s.Drain(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []string{"a order-1", "a order-2", "a order-10"}, s.seen())
	n, err = s.Drain(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	st, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(2), st.BeyondBound)
	require.Empty(t, s.letters())
}

func TestAStoppedManualSubscriberGetsNothingMore(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual})
	sub := s.on("a", s.note("a", nil))
	s.on("b", s.note("b", nil))
	s.publish(payment(1))
	require.NoError(t, sub.Stop(t.Context()))
	<-sub.Done()
	n, err := s.Drain(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"b order-1"}, s.seen())
}

func TestAManualContextIsNoHandlersAnyMoreAfterIt(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual, Capacity: 1, WhenFull: memory.FailWhenFull})
	var kept context.Context
	s.on("a", func(ctx context.Context, _ eventbus.DomainEvent) error { kept = context.WithoutCancel(ctx); return nil })
	s.publish(payment(1))
	_, err := s.Drain(t.Context(), 1)
	require.NoError(t, err)
	s.publish(payment(2))
	require.ErrorIs(t, s.Publish(kept, payment(3)), eventbus.ErrFull)
}

func TestManualPublishWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Manual, Capacity: 1, Options: eventbus.Options{PublishTimeout: time.Minute}})
		s.on("a", s.note("a", nil))
		s.publish(payment(1))
		done := make(chan error, 1)
		go func() { done <- s.Publish(t.Context(), payment(2)) }()
		synctest.Wait()
		n, err := s.Drain(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, <-done)

		began := time.Now()
		require.ErrorIs(t, s.Publish(t.Context(), payment(3)), eventbus.ErrFull)
		require.Equal(t, time.Minute, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = s.Publish(ctx, payment(3))
		require.ErrorIs(t, err, context.DeadlineExceeded)

		go func() { done <- s.Publish(t.Context(), payment(4)) }()
		synctest.Wait()
		require.NoError(t, s.Clear(t.Context()))
		require.NoError(t, <-done)
	})
}

func TestDrainEndsWithItsContext(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual})
	ctx, cancel := context.WithCancel(t.Context())
	s.on("a", func(inner context.Context, e eventbus.DomainEvent) error {
		cancel()
		<-inner.Done()
		return s.note("a", nil)(inner, e)
	})
	s.publish(payment(1), payment(2))
	n, err := s.Drain(ctx, 10)
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"a order-1"}, s.seen())
	require.Equal(t, 1, s.stats("a").Waiting)
}

func TestDrainIsRefusedWhereItCannotWork(t *testing.T) {
	inline := started(t, memory.Options{Mode: memory.Inline})
	_, err := inline.Drain(t.Context(), 1)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	lanes := started(t, memory.Options{})
	_, err = lanes.Drain(t.Context(), 1)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, lanes.Shutdown(t.Context()))

	s := newStage(t, memory.Options{Mode: memory.Manual})
	var inner, other error
	s.on("a", func(ctx context.Context, _ eventbus.DomainEvent) error {
		_, inner = s.Drain(ctx, 1)
		_, other = s.Drain(t.Context(), 1)
		return nil
	})
	s.publish(payment(1), payment(2))
	_, err = s.Drain(t.Context(), 1)
	require.ErrorContains(t, err, "not started")
	require.NoError(t, s.Start(t.Context()))
	_, err = s.Drain(nil, 1) //nolint:staticcheck // on purpose
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	_, err = s.Drain(t.Context(), -1)
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	n, err := s.Drain(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.ErrorContains(t, inner, "another Drain is under way")
	require.ErrorContains(t, other, "another Drain is under way")

	require.NoError(t, s.Shutdown(t.Context()))
	_, err = s.Drain(t.Context(), 1)
	require.ErrorIs(t, err, eventbus.ErrClosed)
	require.Contains(t, s.log.lines()[0], "events=1")
}

func TestManualShutdownWaitsForDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Manual})
		var nested, foreign error
		s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
			time.Sleep(time.Second)
			nested = s.Publish(ctx, payment(8))
			foreign = s.Publish(t.Context(), payment(9))
			require.ErrorIs(t, s.Shutdown(ctx), eventbus.ErrInvalid)
			return s.note("a", nil)(ctx, e)
		})
		s.publish(payment(1), payment(2))
		type drained struct {
			n   int
			err error
		}
		done := make(chan drained, 1)
		go func() { n, err := s.Drain(t.Context(), 10); done <- drained{n, err} }()
		synctest.Wait()
		require.NoError(t, s.Shutdown(t.Context()))
		d := <-done
		require.Equal(t, 1, d.n)
		require.ErrorIs(t, d.err, eventbus.ErrClosed)
		require.NoError(t, nested)
		require.ErrorIs(t, foreign, eventbus.ErrClosed)
		require.Equal(t, []string{"a order-1"}, s.seen())
	})
}

func TestManualPublishersAtOnce(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual, Capacity: 10})
	s.on("a", s.note("a", nil))
	var publishers sync.WaitGroup
	for p := range 4 {
		publishers.Go(func() {
			for i := range 500 {
				if err := s.Publish(t.Context(), eventbus.Named("order.paid", fmt.Sprint(p), i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for total := 0; total < 2000; {
		n, err := s.Drain(t.Context(), 7)
		require.NoError(t, err)
		total += n
		runtime.Gosched()
	}
	publishers.Wait()
	require.Len(t, s.seen(), 2000)
}
