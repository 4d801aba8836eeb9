package eventbus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

var errBeneath = errors.New("beneath")

// Whatever the bus beneath does, each event is told once, as refused or unknown, and
// the next call is published.
func TestBackgroundTellsEveryKindOfFailure(t *testing.T) {
	partly := &eventbus.PublishError{Total: 2, Failed: []eventbus.EventError{{Index: 1, Err: fmt.Errorf("%w: %w", eventbus.ErrRefused, errBeneath)}}}
	for what, c := range map[string]struct {
		do   func() error
		want []error // of the two events
	}{
		"plain":      {func() error { return errBeneath }, []error{eventbus.ErrUnknown, eventbus.ErrUnknown}},
		"closed":     {func() error { return fmt.Errorf("x: %w", eventbus.ErrClosed) }, []error{eventbus.ErrRefused, eventbus.ErrRefused}},
		"one of two": {func() error { return fmt.Errorf("x: %w", partly) }, []error{nil, eventbus.ErrRefused}},
		"another's":  {func() error { return &eventbus.PublishError{Total: 3, Failed: partly.Failed} }, []error{eventbus.ErrUnknown, eventbus.ErrUnknown}},
		"of nothing": {func() error { return &eventbus.PublishError{Total: 2} }, []error{eventbus.ErrUnknown, eventbus.ErrUnknown}},
		"out of range": {func() error {
			return &eventbus.PublishError{Total: 2, Failed: []eventbus.EventError{{Index: 2, Err: errBeneath}}}
		}, []error{eventbus.ErrUnknown, eventbus.ErrUnknown}},
		"without reason":  {func() error { return &eventbus.PublishError{Total: 2, Failed: []eventbus.EventError{{Index: 0}}} }, []error{eventbus.ErrUnknown, nil}},
		"panic":           {func() error { panic(errBeneath) }, []error{eventbus.ErrUnknown, eventbus.ErrUnknown}},
		"goroutine ended": {func() error { runtime.Goexit(); return nil }, []error{eventbus.ErrUnknown, eventbus.ErrUnknown}},
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, eventbus.BackgroundOptions{}, memory.Options{}, func(t *testing.T, r *rig) {
				r.beneath.before = func(_ context.Context, events []eventbus.DomainEvent) error {
					if events[0].AggregateID == "bad" {
						return c.do()
					}
					return nil
				}
				require.NoError(t, r.Publish(t.Context(), order("bad"), order("worse")))
				synctest.Wait()
				r.publish(t, "good")
				synctest.Wait()
				var want []string
				var wantErrs []error
				for i, err := range c.want {
					if err != nil {
						want, wantErrs = append(want, []string{"bad", "worse"}[i]), append(wantErrs, err)
					}
				}
				require.Equal(t, want, r.told.events)
				for i, err := range r.told.errs {
					require.ErrorIs(t, err, wantErrs[i])
					require.False(t, errors.Is(err, eventbus.ErrRefused) && errors.Is(err, eventbus.ErrUnknown), "%v", err)
				}
				require.Equal(t, uint64(len(want)), r.Stats().Failed)
				require.Equal(t, uint64(3-len(want)), r.Stats().Published)
			})
		})
	}
}

// Calls that go together share nothing but the way: an event that the bus beneath
// refuses fails its own call alone, and one ID in two calls is no twin.
func TestBackgroundCallsDoNotSpoilEachOther(t *testing.T) {
	bubble(t, eventbus.BackgroundOptions{}, memory.Options{Options: eventbus.Options{StrictNames: true}}, func(t *testing.T, r *rig) {
		way := make(chan struct{})
		r.beneath.before = gate(way)
		r.publish(t, "first")
		synctest.Wait()
		r.publish(t, "a")
		require.NoError(t, r.Publish(t.Context(), eventbus.NewRaw("Order.Lost", "b", "", nil), order("c")))
		r.publish(t, "d")
		twin := order("e")
		require.NoError(t, r.Publish(t.Context(), twin))
		require.NoError(t, r.Publish(t.Context(), twin))
		close(way)
		synctest.Wait()
		require.Equal(t, []string{"b", "c"}, r.told.events)
		require.ErrorContains(t, r.told.errs[0], "StrictNames")
		require.ErrorIs(t, r.told.errs[1], eventbus.ErrHeldBack)
		require.Equal(t, uint64(5), r.Stats().Published)
		require.Equal(t, [][]string{{"first"}, {"a", "b", "c", "d", "e"}, {"a"}, {"b", "c"}, {"d"}, {"e"}, {"e"}}, r.beneath.taken())
	})
}

// The one who is told may panic, end its goroutine, publish again at the bound, and
// try to shut down: everything goes on.
func TestBackgroundFailedMayDoAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *rig
		var log bytes.Buffer
		var told []string
		o := eventbus.BackgroundOptions{Bound: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		o.Failed = func(ctx context.Context, e eventbus.DomainEvent, _ error) {
			told = append(told, fmt.Sprint(e.AggregateID, " of ", ctx.Value(wordKey{})))
			switch e.AggregateID {
			case "panic":
				panic("told")
			case "exit":
				runtime.Goexit()
			case "again":
				require.NoError(t, r.Publish(ctx, order("good"), order("good"), order("good")))
				require.NoError(t, r.Publish(named(ctx, "other"), order("derived")))
			case "shutdown":
				require.ErrorIs(t, r.Shutdown(ctx), eventbus.ErrInvalid)
				short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				require.NoError(t, r.Shutdown(short), "which waits no longer than it may, and nothing is queued")
				require.ErrorIs(t, r.Publish(ctx, order("late")), eventbus.ErrClosed)
			}
		}
		r = newRig(t, o, memory.Options{})
		r.beneath.before = func(_ context.Context, events []eventbus.DomainEvent) error {
			if id := events[0].AggregateID; id == "good" || id == "derived" {
				return nil
			}
			return errBeneath
		}
		ctx := named(t.Context(), "me")
		for _, id := range []string{"panic", "exit", "again"} {
			require.NoError(t, r.Publish(ctx, order(id)))
		}
		synctest.Wait()
		require.Equal(t, eventbus.BackgroundStats{Queued: 7, Published: 4, Failed: 3}, r.Stats())
		require.NoError(t, r.Publish(ctx, order("shutdown"), order("last")))
		synctest.Wait()
		time.Sleep(time.Minute)
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, []string{"panic of me", "exit of me", "again of me", "shutdown of me", "last of me"}, told)
		require.Contains(t, log.String(), "it panicked: told")
	})
}

// Publishing again for ever keeps neither contexts nor goroutines.
func TestBackgroundRetryForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *rig
		deepest := 0
		o := eventbus.BackgroundOptions{Failed: func(ctx context.Context, e eventbus.DomainEvent, _ error) {
			deepest = max(deepest, len(fmt.Sprint(ctx)))
			_ = r.Publish(ctx, e)
		}}
		r = newRig(t, o, memory.Options{})
		tries := 0
		r.beneath.before = func(context.Context, []eventbus.DomainEvent) error {
			if tries++; tries < 100 {
				return errBeneath
			}
			return nil
		}
		r.publish(t, "a")
		synctest.Wait()
		require.Equal(t, 100, tries)
		require.Less(t, deepest, 1000, "bytes of the context's text")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Without a function to tell, failures are logged: at most one in ten seconds, and
// all of them counted.
func TestBackgroundLogsWhatNobodyIsTold(t *testing.T) {
	t.Run("busy at the end", func(t *testing.T) { logsFailures(t, false) })
	t.Run("idle at the end", func(t *testing.T) { logsFailures(t, true) })
}

func logsFailures(t *testing.T, idle bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		bus, err := memory.New(memory.Options{})
		require.NoError(t, err)
		r, err := eventbus.Background(&beneath{Bus: bus, before: func(context.Context, []eventbus.DomainEvent) error { return errBeneath }},
			eventbus.BackgroundOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		lines := func() []string {
			synctest.Wait()
			return strings.Split(strings.TrimSpace(log.String()), "\n")
		}
		for range 100 {
			require.NoError(t, r.Publish(t.Context(), order("a").WithID("the-event")))
		}
		require.Len(t, lines(), 1)
		for _, part := range []string{"level=ERROR", "type=order.created", "id=the-event", "outcome unknown: beneath", "omitted=0"} {
			require.Contains(t, lines()[0], part)
		}
		time.Sleep(11 * time.Second)
		require.NoError(t, r.Publish(t.Context(), order("b"), order("c")))
		require.Len(t, lines(), 2)
		require.Contains(t, lines()[1], "omitted=99")
		if idle {
			synctest.Wait()
		}
		require.NoError(t, r.Publish(t.Context(), order("d")))
		if idle {
			synctest.Wait()
		}
		require.NoError(t, r.Shutdown(t.Context()))
		require.NoError(t, r.Shutdown(t.Context()))
		require.Len(t, lines(), 3)
		require.Contains(t, lines()[2], "omitted=2")
	})
}

type brokenLog struct{ slog.Handler }

func (brokenLog) Enabled(context.Context, slog.Level) bool  { return true }
func (brokenLog) Handle(context.Context, slog.Record) error { panic("no log") }

func TestBackgroundSurvivesItsLogger(t *testing.T) {
	for _, failed := range []func(context.Context, eventbus.DomainEvent, error){nil, func(context.Context, eventbus.DomainEvent, error) { panic("told") }} {
		synctest.Test(t, func(t *testing.T) {
			bus, err := memory.New(memory.Options{})
			require.NoError(t, err)
			r, err := eventbus.Background(&beneath{Bus: bus, before: func(context.Context, []eventbus.DomainEvent) error { return errBeneath }},
				eventbus.BackgroundOptions{Logger: slog.New(brokenLog{}), Failed: failed})
			require.NoError(t, err)
			require.NoError(t, r.Publish(t.Context(), order("a"), order("b")))
			require.NoError(t, r.Publish(t.Context(), order("a"), order("b")))
			require.NoError(t, r.Shutdown(t.Context()))
			require.Equal(t, uint64(4), r.Stats().Failed)
		})
	}
}
