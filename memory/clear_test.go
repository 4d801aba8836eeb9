package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

func TestClearWaitsForHandlersAndUnbindsPayloadTypes(t *testing.T) {
	type other struct{ paid }
	for _, mode := range []memory.Mode{memory.Concurrent, memory.Inline} {
		synctest.Test(t, func(t *testing.T) {
			s := started(t, memory.Options{Mode: mode, Options: eventbus.Options{Retry: eventbus.RetryPolicy{Attempts: 1}}})
			s.on("slow", func(context.Context, eventbus.DomainEvent) error { time.Sleep(time.Second); return errors.New("late") })
			go func() { _ = s.Publish(t.Context(), payment(1)) }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if mode == memory.Inline {
				require.ErrorContains(t, s.Clear(ctx), "default.slow still runs")
			}
			require.NoError(t, s.Clear(t.Context()))
			require.Empty(t, s.letters())
			s.publish(eventbus.New("x", other{}))
			require.NoError(t, s.Shutdown(t.Context()))
		})
	}
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
				if mode != memory.Inline && mode != memory.InlineTogether { // there Publish would wait
					bad.Pause()
					s.publish(payment(2))
				}
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
