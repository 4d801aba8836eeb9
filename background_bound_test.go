package eventbus_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

func TestBackgroundRefusesBadArguments(t *testing.T) {
	var none *memory.Bus
	for what, bus := range map[string]eventbus.EventBus{"nil": nil, "typed nil": none} {
		_, err := eventbus.Background(bus, eventbus.BackgroundOptions{Bound: -1, WhenFull: 7})
		require.ErrorIs(t, err, eventbus.ErrInvalid, what)
		for _, field := range []string{"bus: ", "bound: ", "when_full: "} {
			require.ErrorContains(t, err, field, what)
		}
	}
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		twin := order("a")
		for what, call := range map[string]func(eventbus.EventBus) error{
			"nothing": func(b eventbus.EventBus) error { return b.Publish(t.Context()) },
			"nil ctx": func(b eventbus.EventBus) error { return b.Publish(nil, order("a")) }, //nolint:staticcheck // that is the point
			"ended":   func(b eventbus.EventBus) error { return b.Publish(ended, order("a")) },
			"bad": func(b eventbus.EventBus) error {
				return b.Publish(t.Context(), order("a").WithID("1"), order("b").WithID("2").WithVersion(-1))
			},
			"twins": func(b eventbus.EventBus) error { return b.Publish(t.Context(), twin, twin) },
			"too many": func(b eventbus.EventBus) error {
				return b.Publish(t.Context(), make([]eventbus.DomainEvent, 100_001)...)
			},
			"no start": func(b eventbus.EventBus) error { return b.Start(nil) },    //nolint:staticcheck // that is the point
			"no end":   func(b eventbus.EventBus) error { return b.Shutdown(nil) }, //nolint:staticcheck // that is the point
		} {
			require.Equal(t, text(call(newMemory(t))), text(call(r)), what)
		}
		synctest.Wait()
		require.Empty(t, r.beneath.taken())
		require.Equal(t, eventbus.BackgroundStats{}, r.Stats())
	})
}

func TestBackgroundFailsAtOnceWhenFull(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{Bound: 3, WhenFull: eventbus.FailWhenFull}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = gate(way)
		r.publish(t, "a", "b")
		err := r.Publish(t.Context(), order("c"), order("d"))
		var each *eventbus.PublishError
		require.ErrorAs(t, err, &each)
		require.Len(t, each.Failed, 2)
		for _, f := range each.Failed {
			require.ErrorIs(t, f, eventbus.ErrFull)
			require.ErrorIs(t, f, eventbus.ErrRefused)
			require.ErrorContains(t, f, "2 of at most 3 events (BackgroundOptions.Bound)")
		}
		r.publish(t, "e")
		require.Equal(t, uint64(2), r.Stats().Refused)
		close(way)
		synctest.Wait()
		r.publish(t, "f")
		require.Empty(t, r.told.errs)
	})
}

var errWaiting = errors.New("still waiting")

// Callers wait in the order of coming, also when the first needs more room than
// there is and those behind it do not.
func TestBackgroundWaitsForRoomInTheOrderOfComing(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{Bound: 4}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = gate(way)
		r.publish(t, "a", "b", "c")
		synctest.Wait()
		var all sync.WaitGroup
		wait := func(ctx context.Context, events ...eventbus.DomainEvent) *error {
			err := &[]error{errWaiting}[0]
			all.Go(func() { *err = r.Publish(ctx, events...) })
			synctest.Wait()
			return err
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		big := wait(t.Context(), order("big-1"), order("big-2"), order("big-3"))
		gone := wait(short, order("gone-1"), order("gone-2"))
		small := wait(t.Context(), order("d"))
		require.Equal(t, 3, r.Stats().Waiting+r.Stats().UnderWay)
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.ErrorIs(t, *gone, context.DeadlineExceeded)
		require.ErrorIs(t, *gone, eventbus.ErrFull)
		require.ErrorIs(t, *gone, eventbus.ErrRefused)
		require.ErrorContains(t, *gone, "at most 4 events")
		require.Equal(t, []error{errWaiting, errWaiting}, []error{*big, *small})
		close(way)
		all.Wait()
		synctest.Wait()
		require.Equal(t, []error{nil, nil}, []error{*big, *small})
		require.Equal(t, []string{"a", "b", "c", "big-1", "big-2", "big-3", "d"}, slices.Concat(r.beneath.taken()...))
	})
}

// The first in line goes away: who stood behind it and needs less comes in.
func TestBackgroundALeaverLetsOthersIn(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{Bound: 2}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		defer close(way)
		r.beneath.before = gate(way)
		r.publish(t, "a")
		short, cancel := context.WithCancel(t.Context())
		var errs [2]error
		var all sync.WaitGroup
		all.Go(func() { errs[0] = r.Publish(short, order("b"), order("c")) })
		synctest.Wait()
		all.Go(func() { errs[1] = r.Publish(t.Context(), order("d")) })
		synctest.Wait()
		cancel()
		all.Wait()
		require.ErrorIs(t, errs[0], context.Canceled)
		require.NoError(t, errs[1])
	})
}

func TestBackgroundLargeCalls(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{Bound: 100_000}, memory.Options{Capacity: 1_000_000}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = gate(way)
		r.publish(t, "first")
		synctest.Wait()
		var calls []int
		for _, n := range []int{600, 400, 1, 5000, 1} {
			events := make([]eventbus.DomainEvent, n)
			for i := range events {
				events[i] = order("a")
			}
			require.NoError(t, r.Publish(t.Context(), events...))
		}
		err := r.Publish(t.Context(), make([]eventbus.DomainEvent, 100_001)...)
		require.ErrorIs(t, err, eventbus.ErrInvalid)
		close(way)
		synctest.Wait()
		for _, call := range r.beneath.taken() {
			calls = append(calls, len(call))
		}
		require.Equal(t, []int{1, 1000, 1, 5000, 1}, calls)
	})
	bubble(t, eventbus.BackgroundOptions{Bound: 2}, memory.Options{}, func(t *testing.T, r *rig) {
		err := r.Publish(t.Context(), order("a"), order("b"), order("c"))
		require.ErrorIs(t, err, eventbus.ErrFull)
		require.ErrorContains(t, err, "split the call, or raise Bound")
	})
}

// A handler that publishes when the queue is full since the bus beneath is full
// since all its workers are in such handlers.
func TestBackgroundHandlersNeverWaitForThemselves(t *testing.T) {
	for _, twice := range []bool{false, true} { // also over another background bus
		o := eventbus.BackgroundOptions{Bound: 1}
		bubble(t, o, memory.Options{Capacity: 1}, func(t *testing.T, r *rig) {
			bus := r.BackgroundBus
			if twice {
				var err error
				bus, err = eventbus.Background(r, o)
				require.NoError(t, err)
			}
			var full, done sync.WaitGroup
			full.Add(1)
			done.Add(21)
			_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "worker", Events: []string{"#"}, Concurrency: 1,
				Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
					defer done.Done()
					if e.AggregateID != "a" {
						return nil
					}
					full.Wait()
					for range 10 {
						if err := bus.Publish(ctx, order("child"), order("child")); err != nil {
							return err
						}
					}
					return nil
				})})
			require.NoError(t, err)
			require.NoError(t, bus.Start(t.Context()))
			require.NoError(t, bus.Publish(t.Context(), order("a")))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for err == nil { // until nothing fits anywhere
				if err = bus.Publish(ctx, order("filler")); err == nil {
					done.Add(1)
				}
			}
			require.ErrorIs(t, err, eventbus.ErrFull)
			began := time.Now()
			full.Done()
			done.Wait()
			synctest.Wait()
			require.Zero(t, time.Since(began))
			require.Equal(t, uint64(20), bus.Stats().Direct)
			require.NoError(t, bus.Shutdown(t.Context()))
			require.Empty(t, r.told.errs)
		})
	}
}

// The context of a handler that has returned is like any other.
func TestBackgroundStaleHandlerContext(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
		var kept context.Context
		_, err := r.Subscribe(t.Context(), eventbus.Subscriber{Name: "worker", Events: []string{"#"},
			Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
				if kept == nil {
					kept = context.WithoutCancel(ctx)
				}
				return nil
			})})
		require.NoError(t, err)
		require.NoError(t, r.Start(t.Context()))
		r.publish(t, "a")
		synctest.Wait()
		require.NoError(t, r.Publish(kept, order("b")))
		require.Equal(t, uint64(2), r.Stats().Queued)
		require.NoError(t, r.Shutdown(kept))
		require.ErrorIs(t, r.Publish(kept, order("c")), eventbus.ErrClosed)
	})
}
