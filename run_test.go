package eventbus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

var errStart = errors.New("no start")

// lifecycle notes what Run does with a bus.
type lifecycle struct {
	eventbus.EventBus
	startErr error
	calls    []string
	graced   bool
}

func (l *lifecycle) Start(context.Context) error {
	l.calls = append(l.calls, "start")
	return l.startErr
}

func (l *lifecycle) Shutdown(ctx context.Context) error {
	l.calls = append(l.calls, "shutdown")
	_, l.graced = ctx.Deadline()
	return ctx.Err()
}

func TestRunShutsDownUnderAFreshContext(t *testing.T) {
	for _, startErr := range []error{nil, errStart} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		bus := &lifecycle{startErr: startErr}
		require.ErrorIs(t, eventbus.Run(ctx, bus, time.Minute), startErr)
		require.Equal(t, []string{"start", "shutdown"}, bus.calls)
		require.True(t, bus.graced)
	}
}

func TestPublishErrorShowsEachOutcome(t *testing.T) {
	var err error = &eventbus.PublishError{Total: 9, Failed: []eventbus.EventError{
		{Index: 2, ID: "a", Type: "order.created", Err: eventbus.ErrRefused},
		{Index: 4, ID: "b", Type: "order.paid", Err: &eventbus.TooLargeError{Size: 2, Limit: 1}},
	}}
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.ErrorIs(t, err, eventbus.ErrTooLarge)
	require.NotErrorIs(t, err, eventbus.ErrUnknown)
	require.ErrorContains(t, err, "2 of 9")
	var one eventbus.EventError
	require.ErrorAs(t, err, &one)
	require.Equal(t, 2, one.Index)
}

func TestTeeTellsEveryObserver(t *testing.T) {
	var told []string
	note := func(name string) eventbus.Observer {
		return eventbus.Observer{
			Published:   func(eventbus.Published) { told = append(told, name+" published") },
			Handled:     func(eventbus.Handled) { told = append(told, name+" handled") },
			Retried:     func(eventbus.Retried) { told = append(told, name+" retried") },
			Buried:      func(eventbus.Buried) { told = append(told, name+" buried") },
			Skipped:     func(eventbus.Skipped) { told = append(told, name+" skipped") },
			Reconnected: func(eventbus.Reconnected) { told = append(told, name+" reconnected") },
		}
	}
	o := eventbus.Tee(note("a"), eventbus.Observer{}, note("b"))
	o.Published(eventbus.Published{})
	o.Handled(eventbus.Handled{})
	o.Retried(eventbus.Retried{})
	o.Buried(eventbus.Buried{})
	o.Skipped(eventbus.Skipped{})
	o.Reconnected(eventbus.Reconnected{})
	require.Equal(t, []string{
		"a published", "b published", "a handled", "b handled", "a retried", "b retried",
		"a buried", "b buried", "a skipped", "b skipped", "a reconnected", "b reconnected",
	}, told)
	require.Nil(t, eventbus.Tee().Handled)
}
