package dlq

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestReplayCancelledInTheMiddle(t *testing.T) {
	s := filled(t, 300)
	ctx, cancel := context.WithCancel(t.Context())
	sends := 0
	q := bound(s, func(ctx context.Context, _ Letter) error {
		if sends++; sends == 150 {
			cancel()
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	})
	r, err := q.Replay(ctx, All, ReplayOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "149 of 300")
	require.Equal(t, ReplayResult{Matched: 300, Replayed: 149}, r)
	left := collect(t, q, Filter{})
	require.Len(t, left, 151)
	require.Equal(t, "000149", left[0])
	for _, id := range left {
		_, err := s.Take(t.Context(), id, time.Minute)
		require.NoError(t, err, "nothing is left taken")
	}
}

// A message that is confirmed is removed although the caller has given up.
func TestReplayCancelledAfterSend(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := bound(filled(t, 3), func(context.Context, Letter) error { cancel(); return nil })
	r, err := q.Replay(ctx, All, ReplayOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, r.Replayed)
	require.Equal(t, []string{"000001", "000002"}, collect(t, q, Filter{}))

	_, err = q.Replay(ctx, All, ReplayOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestReplaySentButNotRemoved(t *testing.T) {
	q := bound(&broken{Store: filled(t, 1), call: "remove"}, nil)
	err := q.ReplayOne(t.Context(), "000000", ReplayOptions{})
	require.ErrorIs(t, err, errStore)
	require.ErrorContains(t, err, "same letter ID")
	require.ErrorIs(t, q.ReplayOne(t.Context(), "000000", ReplayOptions{}), ErrTaken, "the lease delays the second")
}

func TestReplayNeverReleasesAnothersLease(t *testing.T) {
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	s := NewMemoryStore(MemoryOptions{Now: clock})
	require.NoError(t, s.Put(t.Context(), letter(0)))
	q := made(Config{
		Store: s, Now: clock, Groups: func() []string { return []string{"shop"} },
		Send: func(ctx context.Context, _ Letter) error {
			end, ok := ctx.Deadline()
			require.True(t, ok)
			require.Less(t, time.Until(end), lease)
			now = now.Add(lease)
			_, err := s.Take(ctx, "000000", time.Hour)
			require.NoError(t, err)
			return errStore
		},
	})
	require.ErrorIs(t, q.ReplayOne(t.Context(), "000000", ReplayOptions{}), errStore)
	_, err := s.Take(t.Context(), "000000", time.Hour)
	require.ErrorIs(t, err, ErrTaken)

	stuck := bound(&broken{Store: filled(t, 1), call: "release"}, func(context.Context, Letter) error { return eventbus.ErrRefused })
	err = stuck.ReplayOne(t.Context(), "000000", ReplayOptions{})
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.ErrorIs(t, err, errStore)
}
