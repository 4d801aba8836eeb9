package eventbus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

func TestBackgroundShutdownDrains(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = gate(way)
		r.publish(t, "a")
		synctest.Wait()
		for i := range 2500 {
			require.NoError(t, r.Publish(named(t.Context(), fmt.Sprint(i)), order(fmt.Sprint(i%50))))
		}
		ended := make(chan error)
		go func() { ended <- r.Shutdown(t.Context()) }()
		synctest.Wait()
		require.ErrorIs(t, r.Publish(t.Context(), order("late")), eventbus.ErrClosed)
		_, err := r.Subscribe(t.Context(), worker("late"))
		require.ErrorIs(t, err, eventbus.ErrClosed)
		require.ErrorIs(t, r.Start(t.Context()), eventbus.ErrClosed)
		require.NoError(t, r.beneath.Bus.Publish(t.Context(), order("beneath")), "which is not closed yet")
		close(way)
		require.NoError(t, <-ended)
		require.Equal(t, eventbus.BackgroundStats{Queued: 2501, Published: 2501}, r.Stats())
		require.ErrorIs(t, r.beneath.Bus.Publish(t.Context(), order("beneath")), eventbus.ErrClosed)
	})
}

// Those who wait for room when Shutdown begins are told so, and nothing of theirs is
// published.
func TestBackgroundShutdownSendsTheLineAway(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{Bound: 1}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = gate(way)
		r.publish(t, "a")
		errs := make(chan error, 2)
		for range 2 {
			go func() { errs <- r.Publish(t.Context(), order("b")) }()
		}
		synctest.Wait()
		ended := make(chan error)
		go func() { ended <- r.Shutdown(t.Context()) }()
		require.ErrorIs(t, <-errs, eventbus.ErrClosed)
		require.ErrorIs(t, <-errs, eventbus.ErrClosed)
		close(way)
		require.NoError(t, <-ended)
		require.Equal(t, [][]string{{"a"}}, r.beneath.taken())
	})
}

// When the time is up, what is under way gets the end of its context; what was not
// drained is told, counted, and named.
func TestBackgroundShutdownInTime(t *testing.T) {
	for what, beneath := range map[string]func(context.Context) error{
		"obeys its context": func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", eventbus.ErrUnknown, ctx.Err())
		},
		"never returns": nil,
	} {
		t.Run(what, func(t *testing.T) {
			never := make(chan struct{})
			bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
				never = make(chan struct{})
				r.beneath.before = func(ctx context.Context, _ []eventbus.DomainEvent) error {
					if beneath != nil {
						return beneath(ctx)
					}
					<-never
					return errBeneath
				}
				r.publish(t, "a")
				synctest.Wait()
				r.publish(t, "b", "c")
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := r.Shutdown(ctx)
				require.Less(t, time.Since(began), time.Minute+time.Second)
				require.ErrorIs(t, err, eventbus.ErrUnfinished)
				require.ErrorIs(t, err, eventbus.ErrUnknown)
				require.ErrorContains(t, err, "not drained in time: eventbus: publish: 3 of 3 events failed")
				require.Equal(t, []string{"a", "b", "c"}, r.told.events)
				require.ErrorIs(t, r.told.errs[0], eventbus.ErrUnknown)
				require.ErrorIs(t, r.told.errs[1], eventbus.ErrRefused)
				require.ErrorIs(t, r.told.errs[1], eventbus.ErrUnfinished)
				require.Equal(t, eventbus.BackgroundStats{Queued: 3, Failed: 3}, r.Stats())
				require.ErrorIs(t, r.beneath.Bus.Publish(t.Context(), order("x")), eventbus.ErrClosed)
				close(never)
			})
		})
	}
}

// Failed never returns: Shutdown gives up a second after its time, and names what it
// knows.
func TestBackgroundShutdownOfADeafOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := make(chan struct{})
		o := eventbus.BackgroundOptions{Failed: func(context.Context, eventbus.DomainEvent, error) { <-deaf }}
		r := newRig(t, o, memory.Options{})
		r.beneath.before = func(context.Context, []eventbus.DomainEvent) error { return errBeneath }
		r.publish(t, "a")
		synctest.Wait()
		r.publish(t, "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		err := r.Shutdown(ctx)
		require.Equal(t, time.Minute+time.Second, time.Since(began))
		require.ErrorIs(t, err, eventbus.ErrUnfinished)
		require.ErrorContains(t, err, "publish order.created")
		close(deaf)
		require.ErrorIs(t, r.Shutdown(t.Context()), eventbus.ErrUnfinished, "it stays lost")
	})
}

func TestBackgroundShutdownTwiceAndAtOnce(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
		r.publish(t, "a", "b")
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { require.NoError(t, r.Shutdown(t.Context())) })
			all.Go(func() {
				if err := r.Publish(t.Context(), order("c")); err != nil {
					require.ErrorIs(t, err, eventbus.ErrClosed)
				}
			})
		}
		all.Wait()
		require.NoError(t, r.Shutdown(t.Context()))
		require.Empty(t, r.told.errs)
	})
}

// Handlers that run during Shutdown are served, and what they publish is stored.
func TestBackgroundShutdownServesHandlers(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		var errs []error
		_, err := r.Subscribe(t.Context(), eventbus.Subscriber{Name: "worker", Events: []string{"#"}, Concurrency: 1,
			Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
				<-way
				errs = append(errs, r.Shutdown(ctx), r.Publish(ctx, order("child")))
				return nil
			})})
		require.NoError(t, err)
		require.NoError(t, r.Start(t.Context()))
		r.publish(t, "a")
		synctest.Wait()
		ended := make(chan error)
		go func() { ended <- r.Shutdown(t.Context()) }()
		synctest.Wait()
		close(way)
		require.NoError(t, <-ended)
		require.ErrorIs(t, errs[0], eventbus.ErrInvalid)
		require.NoError(t, errs[1])
		stats, err := r.beneath.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(2), stats.Published)
	})
}

// An error of the bus beneath comes out of Shutdown, and what the wrapped bus offers
// is found.
func TestBackgroundIsAWrapper(t *testing.T) {
	bus := &lifecycle{startErr: errStart}
	r, err := eventbus.Background(bus, eventbus.BackgroundOptions{})
	require.NoError(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Start(t.Context()), errStart)
	require.ErrorIs(t, r.Shutdown(ended), context.Canceled)
	require.NoError(t, r.Shutdown(t.Context()))

	r, err = eventbus.Background(newMemory(t), eventbus.BackgroundOptions{})
	require.NoError(t, err)
	_, ok := eventbus.As[eventbus.Inspector](r)
	require.True(t, ok)
	_, ok = dlq.Of(r)
	require.True(t, ok)
}
