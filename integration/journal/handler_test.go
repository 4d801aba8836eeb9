package journal

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

type placed struct {
	ID string `json:"id"`
}

func (placed) EventType() string { return "order.placed" }

// started returns a running bus with the journal around its one handler.
func started(t *testing.T, j *Journal, s eventbus.Subscriber) *memory.Bus {
	t.Helper()
	bus, err := memory.New(memory.Options{Options: eventbus.Options{
		Group: "shop", Middleware: []eventbus.Middleware{j.Middleware},
		Retry: eventbus.RetryPolicy{Attempts: 2, Min: time.Millisecond, Max: time.Millisecond},
	}})
	require.NoError(t, err)
	_, err = bus.Subscribe(t.Context(), s)
	require.NoError(t, err)
	require.NoError(t, bus.Start(t.Context()))
	return bus
}

// letters waits until so many letters are there.
func letters(t *testing.T, bus eventbus.EventBus, n int) {
	t.Helper()
	q, _ := dlq.Of(bus)
	require.Eventually(t, func() bool {
		have, err := q.Count(t.Context(), dlq.Filter{})
		return err == nil && have == n
	}, 10*time.Second, time.Millisecond)
}

func TestAttemptsAreWrittenDown(t *testing.T) {
	j, path := open(t, "w")
	bus := started(t, j, eventbus.Subscriber{
		Name: "mailer", Events: []string{"#"},
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			switch e.ID {
			case "error":
				return errors.New("no way")
			case "panic":
				panic("out")
			}
			return nil
		}),
	})
	require.NoError(t, bus.Publish(t.Context(), event("error", 1), event("panic", 2), event("good", 3)))
	letters(t, bus, 2)
	require.NoError(t, bus.Shutdown(t.Context()))
	require.Equal(t, []string{
		"begun error", "failed error", "begun error", "failed error",
		"begun panic", "failed panic", "begun panic", "failed panic",
		"begun good", "handled good",
	}, whats(t, path))
	log, err := Read(path)
	require.NoError(t, err)
	last := log.Records[len(log.Records)-1]
	require.Equal(t, "shop.mailer", last.Subscriber)
	require.Equal(t, 1, last.Attempt)
	require.LessOrEqual(t, last.Began, last.Time)
	require.Equal(t, Sum([]byte(`{"id":"good"}`)), last.Sum)
	require.Equal(t, "order", last.AggregateType)
	require.Equal(t, 2, log.Records[3].Attempt)
	require.Equal(t, "no way", log.Records[3].Err)
	require.Contains(t, log.Records[5].Err, "did not return")
}

// What cannot be written down is not acked: neither its beginning nor its end.
func TestAHandlingThatIsNotWrittenDownFails(t *testing.T) {
	for most, called := range []int{0, 1} {
		j := &Journal{file: &counted{most: most}, worker: "w", pid: 1}
		calls := 0
		bus := started(t, j, eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: eventbus.HandlerFunc(
			func(context.Context, eventbus.DomainEvent) error { calls++; return nil },
		)})
		require.NoError(t, bus.Publish(t.Context(), event("a", 1)))
		letters(t, bus, 1)
		require.NoError(t, bus.Shutdown(t.Context()))
		require.Equal(t, called, calls)
		require.ErrorIs(t, j.Close(), errDisk)
	}
}

func TestATypedHandlerStaysTyped(t *testing.T) {
	j, path := open(t, "w")
	got := make(chan string, 1)
	bus := started(t, j, eventbus.Subscriber{Name: "mailer", Handler: j.Middleware(eventbus.On(
		func(_ context.Context, e eventbus.Event[placed]) error { got <- e.Payload.ID; return nil },
	))})
	require.NoError(t, bus.Publish(t.Context(), eventbus.New("order-1", placed{"x"}).WithID("a")))
	require.Equal(t, "x", <-got)
	require.NoError(t, bus.Shutdown(t.Context()))
	require.Equal(t, []string{"begun a", "begun a", "handled a", "handled a"}, whats(t, path), "it is wrapped twice")
}

func TestAHandlerWithoutADeliveryIsRefused(t *testing.T) {
	j, _ := open(t, "w")
	h := j.Middleware(eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { return nil }))
	require.ErrorContains(t, h.Handle(t.Context(), event("a", 1)), "the context tells of no delivery")
}
