package memory_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
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

func TestInlinePublishRunsTheHandlersInOrderAndWaits(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	id := func() string { return strings.Fields(string(debug.Stack()))[1] }
	var goroutines []string // not guarded: it belongs to the caller's goroutine
	for _, name := range []string{"c", "a", "b"} {
		s.on(name, func(_ context.Context, e eventbus.DomainEvent) error {
			goroutines = append(goroutines, id())
			return s.note(name, nil)(t.Context(), e)
		})
	}
	s.publish(payment(1), payment(2))
	require.Equal(t, []string{"c order-1", "a order-1", "b order-1", "c order-2", "a order-2", "b order-2"}, s.seen())
	for _, g := range goroutines {
		require.Equal(t, id(), g)
	}
	require.NoError(t, s.Shutdown(t.Context()))
}

func TestInlineHandlersShareThePublishersContextAndValue(t *testing.T) {
	type key struct{}
	s := started(t, memory.Options{Mode: memory.Inline})
	shared := []string{"as published"}
	s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		require.Equal(t, 7, ctx.Value(key{}))
		got, ok := e.Value().([]string)
		require.True(t, ok)
		require.Same(t, &shared[0], &got[0])
		return nil
	})
	require.NoError(t, s.Publish(context.WithValue(t.Context(), key{}, 7), eventbus.Named("order.paid", "a", shared)))
	require.Equal(t, uint64(1), s.stats("a").Handled)
}

func TestInlineWithEncodeGoesThroughTheWireFormat(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline, Encode: true})
	s.on("a", func(_ context.Context, e eventbus.DomainEvent) error {
		require.Nil(t, e.Value())
		require.JSONEq(t, `{"Amount":3}`, string(e.Data()))
		return nil
	})
	s.publish(payment(3))
	require.Equal(t, uint64(1), s.stats("a").Handled)
}

func TestInlineTogetherRunsAllHandlersOfAnEventAtOnce(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.InlineTogether})
	var barrier sync.WaitGroup
	barrier.Add(3)
	for i := range 3 {
		s.on(fmt.Sprint("h", i), func(_ context.Context, e eventbus.DomainEvent) error {
			barrier.Done()
			barrier.Wait() // for the two others
			return s.note("h", nil)(t.Context(), e)
		})
	}
	s.publish(payment(1))
	require.Len(t, s.seen(), 3)
}

func TestInlineHandlersMayPublish(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	s.on("first", func(ctx context.Context, e eventbus.DomainEvent) error {
		_ = s.note("first", nil)(ctx, e)
		if e.AggregateID == "order-1" {
			return s.Publish(ctx, payment(2).CausedBy(e))
		}
		return nil
	})
	s.on("second", s.note("second", nil))
	s.publish(payment(1))
	require.Equal(t, []string{"first order-1", "first order-2", "second order-2", "second order-1"}, s.seen())
}

func TestInlineSkipsBuriesExpiredAndSelectsByPattern(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	_, err := s.Subscribe(t.Context(), eventbus.Subscriber{
		Name: "typed", Events: []string{"order.*"}, Unmatched: eventbus.SkipUnmatched,
		Handler: eventbus.On(func(_ context.Context, e eventbus.Event[paid]) error {
			return s.note(fmt.Sprint("typed ", e.Payload.Amount), nil)(t.Context(), e.DomainEvent)
		}),
	})
	require.NoError(t, err)
	s.publish(payment(1), eventbus.Named("order.lost", "x", 1), eventbus.Named("invoice.sent", "y", 1), payment(2).WithExpiry(time.Unix(1, 0)))
	require.Equal(t, []string{"typed 1 order-1"}, s.seen())
	st := s.stats("typed")
	require.Equal(t, []uint64{1, 1, 1, 1}, []uint64{st.Handled, st.Skipped, st.Buried, st.Attempts})
	ls := s.letters()
	require.Len(t, ls, 1)
	require.Equal(t, dlq.Expired, ls[0].Reason)
	require.Zero(t, ls[0].Attempts)
}

func TestInlineReplayRunsTheOneHandlerAgain(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	fail := errors.New("down")
	s.on("flaky", func(ctx context.Context, e eventbus.DomainEvent) error { return s.note("flaky", fail)(ctx, e) })
	s.on("other", s.note("other", nil))
	s.publish(payment(1))
	s.seen()
	first := s.letters()[0]

	res, err := s.DeadLetters().Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
	require.NoError(t, err)
	require.Equal(t, 1, res.Replayed)
	require.Equal(t, []string{"flaky order-1"}, s.seen())
	ls := s.letters()
	require.Len(t, ls, 1)
	require.Equal(t, 1, ls[0].Replays)
	require.Equal(t, first.Origin, ls[0].Origin)
	require.NotEqual(t, first.ID, ls[0].ID)

	fail = nil
	require.NoError(t, s.DeadLetters().ReplayOne(t.Context(), ls[0].ID, dlq.ReplayOptions{}))
	require.Equal(t, []string{"flaky order-1"}, s.seen())
	require.Empty(t, s.letters())
}

func TestInlinePublishersAtOnce(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	var handled atomic.Int64
	s.on("a", func(_ context.Context, e eventbus.DomainEvent) error {
		if handled.Add(1)%10 == 0 {
			return errors.New("every tenth")
		}
		return nil
	})
	var publishers sync.WaitGroup
	for range 8 {
		publishers.Go(func() {
			for i := range 100 {
				_ = s.Publish(t.Context(), payment(i))
			}
		})
	}
	publishers.Go(func() {
		sub := s.on("guest", s.note("b", nil))
		sub.Pause()
		runtime.Gosched()
		sub.Resume()
		_ = sub.Stop(t.Context())
		<-sub.Done()
	})
	publishers.Wait()
	st := s.stats("a")
	require.Equal(t, uint64(720), st.Handled)
	require.Len(t, s.letters(), 80)
	require.NoError(t, s.Shutdown(t.Context()))
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

func TestAnInlineReplayHasNoTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline})
		fail := true
		s.on("slow", func(ctx context.Context, _ eventbus.DomainEvent) error {
			if fail {
				return errors.New("no")
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-wait(25 * time.Second):
				return nil
			}
		})
		s.publish(payment(1))
		fail = false
		require.NoError(t, s.DeadLetters().ReplayOne(t.Context(), s.letters()[0].ID, dlq.ReplayOptions{}))
		require.Empty(t, s.letters())
	})
}
