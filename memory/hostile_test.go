package memory_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

type nilError struct{ s string }

func (e *nilError) Error() string { return e.s }

type evil struct{}

func (evil) Error() string { panic("evil Error") }

type evilUnwrap struct{}

func (evilUnwrap) Error() string { return "fine" }
func (evilUnwrap) Unwrap() error { panic("evil Unwrap") }

// A panic with a value that panics itself when it is read, or that would steer
// delivery, is an error like others.
func TestAnyPanicIsOneLetter(t *testing.T) {
	for name, value := range map[string]any{
		"nil pointer error": (*nilError)(nil), "evil": evil{}, "evil unwrap": evilUnwrap{}, "joined": errors.Join(errors.New("a"), evil{}),
		"suspend": eventbus.Suspend(errors.New("down"), time.Hour), "permanent": eventbus.Permanent(errors.New("no")), "number": 7,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus := quiet(t, eventbus.Observer{}, func(context.Context, eventbus.DomainEvent) error { panic(value) })
				time.Sleep(time.Minute)
				q, _ := dlq.Of(bus)
				p, err := q.Page(t.Context(), dlq.All, "", 10)
				require.NoError(t, err)
				require.Len(t, p.Letters, 1)
				require.Equal(t, dlq.Panic, p.Letters[0].Reason)
				require.Equal(t, 2, p.Letters[0].Attempts)
				require.NotEmpty(t, p.Letters[0].Errors[0])
				require.NoError(t, bus.Shutdown(t.Context()))
			})
		})
	}
}

// An observer that panics or ends its goroutine, as FailNow of a test does, changes
// nothing of what becomes of an event.
func TestObserversAreHarmless(t *testing.T) {
	for name, ends := range map[string]func(){"panic": func() { panic("observer") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := eventbus.Observer{
					Handled: func(eventbus.Handled) { ends() }, Retried: func(eventbus.Retried) { ends() }, Buried: func(eventbus.Buried) { ends() },
				}
				calls := 0
				bus := quiet(t, o, func(_ context.Context, e eventbus.DomainEvent) error {
					calls++
					if e.AggregateID == "bad" {
						return errors.New("bad")
					}
					return nil
				})
				require.NoError(t, bus.Publish(t.Context(), eventbus.Named("a.b", "good", 1), eventbus.Named("a.b", "bad", 1)))
				time.Sleep(time.Minute)
				inspector, _ := eventbus.As[eventbus.Inspector](bus)
				st, err := inspector.Stats(t.Context())
				require.NoError(t, err)
				got := st.Subscribers[0]
				require.Equal(t, 4, calls)
				require.Equal(t, []uint64{4, 2, 1, 2, 3}, []uint64{got.Attempts, got.Handled, got.Buried, got.Failed, got.Acked})
				require.Zero(t, got.Running+got.InFlight)
				require.NoError(t, bus.Shutdown(t.Context()))
			})
		})
	}
}

// quiet is a started bus with one subscriber, two attempts and one event.
func quiet(t *testing.T, o eventbus.Observer, h eventbus.HandlerFunc) eventbus.EventBus {
	t.Helper()
	bus, err := memory.New(memory.Options{Options: eventbus.Options{
		Logger: slog.New(slog.DiscardHandler), Observer: o, Retry: eventbus.RetryPolicy{Attempts: 2},
	}})
	require.NoError(t, err)
	_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "one", Events: []string{"#"}, Handler: h, Concurrency: 1})
	require.NoError(t, err)
	require.NoError(t, bus.Publish(t.Context(), eventbus.Named("a.b", "first", 1)))
	require.NoError(t, bus.Start(t.Context()))
	return bus
}
