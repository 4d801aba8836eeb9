package memory_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

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

func TestManualQueuesOnlyWhatSomebodyGets(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Manual, Capacity: 1, WhenFull: memory.FailWhenFull})
	_, err := s.Subscribe(t.Context(), eventbus.Subscriber{Name: "a", Events: []string{"order.paid"}, Handler: eventbus.HandlerFunc(s.note("a", nil))})
	require.NoError(t, err)
	lost := eventbus.Named("order.lost", "x", 1)
	s.publish(lost)
	s.publish(payment(1))
	s.publish(lost) // though there is no room
	err = s.Publish(t.Context(), payment(2), lost)
	var failed *eventbus.PublishError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 2, "nothing overtakes what was refused")
	n, err := s.Drain(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestManualRoomIsGivenInTheOrderOfComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Manual, Capacity: 1})
		s.on("a", s.note("a", nil))
		var want []string
		for i := range 9 {
			go func() { _ = s.Publish(t.Context(), payment(i)) }()
			synctest.Wait()
			want = append(want, fmt.Sprint("a order-", i))
		}
		for range 9 {
			_, err := s.Drain(t.Context(), 1)
			require.NoError(t, err)
			synctest.Wait()
		}
		require.Equal(t, want, s.seen())
	})
}

func TestManualShutdownSendsAwayWhoWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Manual, Capacity: 1})
		s.on("a", s.note("a", nil))
		s.publish(payment(1))
		done := make(chan error, 1)
		go func() { done <- s.Publish(t.Context(), payment(2)) }()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, s.Shutdown(t.Context()))
		require.ErrorIs(t, <-done, eventbus.ErrClosed)
		require.Zero(t, time.Since(began))
	})
}

// loudLog is a logger that publishes what it logs.
type loudLog struct {
	slog.Handler
	publish func() error
}

func (loudLog) Enabled(context.Context, slog.Level) bool { return true }

func (l loudLog) Handle(context.Context, slog.Record) error { return l.publish() }

func TestManualShutdownHoldsNoLockWhileItLogs(t *testing.T) {
	var bus *memory.Bus
	var got error
	log := slog.New(loudLog{slog.DiscardHandler, func() error { got = bus.Publish(t.Context(), payment(2)); return nil }})
	bus, err := memory.New(memory.Options{Mode: memory.Manual, Options: eventbus.Options{Logger: log}})
	require.NoError(t, err)
	_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "a", Events: []string{"#"}, Handler: eventbus.HandlerFunc(
		func(context.Context, eventbus.DomainEvent) error { return nil })})
	require.NoError(t, err)
	require.NoError(t, bus.Publish(t.Context(), payment(1)))
	require.NoError(t, bus.Shutdown(t.Context()))
	require.ErrorIs(t, got, eventbus.ErrClosed)
}

// A handler that drains another bus, whose handler publishes to the first.
func TestManualBusesWithinOneAnother(t *testing.T) {
	a := started(t, memory.Options{Mode: memory.Manual, Capacity: 1})
	b := started(t, memory.Options{Mode: memory.Manual, Capacity: 1})
	a.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.AggregateID != "order-1" {
			return a.note("a", nil)(ctx, e)
		}
		if err := b.Publish(ctx, payment(2)); err != nil {
			return err
		}
		_, err := b.Drain(ctx, 1)
		return err
	})
	b.on("b", func(ctx context.Context, _ eventbus.DomainEvent) error {
		return errors.Join(a.Publish(ctx, payment(3), payment(4)), ignore(a.Shutdown(ctx), eventbus.ErrInvalid))
	})
	a.publish(payment(1))
	n, err := a.Drain(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []string{"a order-3", "a order-4"}, a.seen())
	require.Empty(t, b.letters())
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
