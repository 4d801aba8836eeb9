package eventbus_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

// decorated is a bus whose Publish does what a test says.
type decorated struct {
	eventbus.EventBus
	publish func(ctx context.Context, events []eventbus.DomainEvent) error
}

func (d decorated) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	return d.publish(ctx, events)
}

func over(t *testing.T, bus eventbus.EventBus, o eventbus.BackgroundOptions) *eventbus.BackgroundBus {
	t.Helper()
	b, err := eventbus.Background(bus, o)
	require.NoError(t, err)
	return b
}

// Handlers that the bus beneath runs in its Publish, or in Drain, never wait for
// themselves either, nor may they end what they would wait for.
func TestBackgroundOverBusesThatRunHandlersThemselves(t *testing.T) {
	for _, mode := range []memory.Mode{memory.Inline, memory.InlineTogether, memory.Manual} {
		for _, timeout := range []time.Duration{0, time.Second} {
			t.Run(fmt.Sprint(mode, timeout), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, err := memory.New(memory.Options{Mode: mode})
					require.NoError(t, err)
					b := over(t, m, eventbus.BackgroundOptions{Bound: 1})
					outer := over(t, b, eventbus.BackgroundOptions{Bound: 1})
					var followed []error
					_, err = outer.Subscribe(t.Context(), eventbus.Subscriber{
						Name: "a", Events: []string{"order.created"}, Timeout: timeout,
						Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
							for _, bus := range []eventbus.EventBus{b, outer} {
								followed = append(followed, bus.Publish(ctx, eventbus.Named("order.followed", "x", 1)))
								require.ErrorIs(t, bus.Shutdown(ctx), eventbus.ErrInvalid)
							}
							return nil
						}),
					})
					require.NoError(t, err)
					require.NoError(t, outer.Start(t.Context()))
					require.NoError(t, outer.Publish(t.Context(), order("a")))
					synctest.Wait()
					if mode == memory.Manual {
						n, err := m.Drain(t.Context(), 10)
						require.NoError(t, err)
						require.Equal(t, 1, n)
					}
					require.Equal(t, []error{nil, nil}, followed)
					require.NoError(t, outer.Shutdown(t.Context()))
				})
			})
		}
	}
}

func TestBackgroundPublishesNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stored := map[string]int{}
		way := make(chan struct{})
		b := over(t, decorated{eventbus.Discard(), func(_ context.Context, events []eventbus.DomainEvent) error {
			if events[0].AggregateID == "first" {
				<-way
			}
			stored[events[0].AggregateID]++
			if len(events) == 1 {
				return nil
			}
			return &eventbus.PublishError{Total: len(events), Failed: []eventbus.EventError{ // the first one is stored
				{Index: 1, Err: fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrHeldBack)},
			}}
		}}, eventbus.BackgroundOptions{Failed: func(context.Context, eventbus.DomainEvent, error) {}})
		require.NoError(t, b.Publish(t.Context(), order("first")))
		synctest.Wait()
		require.NoError(t, b.Publish(t.Context(), order("a")))
		require.NoError(t, b.Publish(t.Context(), order("b")))
		close(way)
		require.NoError(t, b.Shutdown(t.Context()))
		require.Equal(t, map[string]int{"first": 1, "a": 1}, stored)
	})
}

// stopped is a clock whose timers never fire.
type stoppedClock struct{ eventbus.Clock }

func (stoppedClock) AfterFunc(time.Duration, func()) eventbus.Timer {
	return time.AfterFunc(1000*time.Hour, func() {})
}

func TestBackgroundShutdownEndsUnderAStoppedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := over(t, decorated{eventbus.Discard(), func(ctx context.Context, _ []eventbus.DomainEvent) error {
			<-ctx.Done()
			return ctx.Err()
		}}, eventbus.BackgroundOptions{
			Clock:  stoppedClock{eventbus.SystemClock()},
			Failed: func(context.Context, eventbus.DomainEvent, error) {},
		})
		require.NoError(t, b.Publish(t.Context(), order("a")))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := b.Shutdown(ctx)
		require.ErrorIs(t, err, eventbus.ErrUnfinished)
		require.ErrorIs(t, err, eventbus.ErrUnknown)
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
	})
}
