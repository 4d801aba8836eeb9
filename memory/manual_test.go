package memory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

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

func TestDrainStopsAtAPausedSubscriber(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual})
	sub, err := s.Subscribe(t.Context(), eventbus.Subscriber{Name: "lost", Events: []string{"order.lost"}, Handler: eventbus.HandlerFunc(s.note("lost", nil))})
	require.NoError(t, err)
	s.on("all", s.note("all", nil))
	s.publish(payment(1), eventbus.Named("order.lost", "x", 1), payment(2))
	sub.Pause()
	n, err := s.Drain(t.Context(), 10)
	require.ErrorContains(t, err, "default.lost is paused")
	require.Equal(t, 1, n)
	sub.Resume()
	n, err = s.Drain(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []string{"all order-1", "lost x", "all x", "all order-2"}, s.seen())
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
