package load_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// plain makes a plainSide, whose Publish waits for the handler.
func plain(change func(i int, handle func(int))) load.Maker {
	return func(_ context.Context, _ load.Load, handle func(int)) (load.Side, error) {
		return &plainSide{handle: handle, change: change}, nil
	}
}

func rightly(i int, handle func(int)) { handle(i) }

// held is a backlog whose events have a publisher each.
func held() load.Load {
	return load.Load{Events: 500, Keys: load.Aggregates(500), Publishers: 500}
}

func TestABacklogOfWaitingPublishers(t *testing.T) {
	s, err := load.Backlog(t.Context(), held(), plain(rightly))
	require.NoError(t, err)
	require.Equal(t, 500, s.Events)
	require.InDelta(t, 500, s.Waiting.Goroutines, 10)
	require.Positive(t, s.Waiting.Bytes)
}

func TestABacklogThatIsNotTakenIsRefused(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	l := held()
	l.Publishers = 1 // which waits for the first handler, while 499 events are with nobody
	_, err := load.Backlog(ctx, l, plain(rightly))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "0 of 1 publishers are through")
}

func TestABacklogThatIsWronglyDrainedIsRefused(t *testing.T) {
	_, err := load.Backlog(t.Context(), held(), plain(func(i int, handle func(int)) {
		if handle(i); i == 100 {
			handle(i)
		}
	}))
	require.ErrorContains(t, err, "repeated: event 100")

	ctx, cancel := context.WithCancel(t.Context())
	handled := 0
	_, err = load.Backlog(ctx, held(), plain(func(i int, handle func(int)) {
		if i == 100 {
			return
		}
		handle(i)
		if handled++; handled == 499 {
			cancel() // rather than to wait until the round gives up
		}
	}))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "waited for 1 of 500 events")
}

func TestABacklogWithoutASideIsRefused(t *testing.T) {
	lost := errors.New("lost")
	_, err := load.Backlog(t.Context(), held(), func(context.Context, load.Load, func(int)) (load.Side, error) {
		return nil, lost
	})
	require.ErrorIs(t, err, lost)
}
