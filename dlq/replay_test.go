package dlq

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestReplayOne(t *testing.T) {
	s := filled(t, 5)
	var sent []Letter
	q := bound(s, func(_ context.Context, l Letter) error { sent = append(sent, l); return nil })
	require.NoError(t, q.ReplayOne(t.Context(), "000004", ReplayOptions{DryRun: true}))
	require.Empty(t, sent)
	require.NoError(t, q.ReplayOne(t.Context(), "000004", ReplayOptions{}))
	require.Equal(t, []Letter{letter(4)}, sent)
	err := q.ReplayOne(t.Context(), "000004", ReplayOptions{})
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "eventbus: dead letters: replay 000004: ")

	_, err = s.Take(t.Context(), "000001", time.Minute)
	require.NoError(t, err)
	require.ErrorIs(t, q.ReplayOne(t.Context(), "000001", ReplayOptions{}), ErrTaken)

	old := letter(9)
	old.Replays = 5
	require.NoError(t, s.Put(t.Context(), old))
	require.ErrorIs(t, q.ReplayOne(t.Context(), old.ID, ReplayOptions{}), ErrReplayBound)
	require.ErrorIs(t, q.ReplayOne(t.Context(), old.ID, ReplayOptions{DryRun: true}), ErrReplayBound)
	require.ErrorIs(t, q.ReplayOne(t.Context(), old.ID, ReplayOptions{MaxReplays: -1}), eventbus.ErrInvalid)
	require.NoError(t, q.ReplayOne(t.Context(), old.ID, ReplayOptions{MaxReplays: 6}))
	require.NoError(t, s.Put(t.Context(), old))
	require.NoError(t, q.ReplayOne(t.Context(), old.ID, ReplayOptions{Force: true}))
}

func TestReplayOldestFirst(t *testing.T) {
	var sent []Letter
	q := bound(filled(t, 250), func(_ context.Context, l Letter) error { sent = append(sent, l); return nil })
	_, err := q.Replay(t.Context(), Filter{}, ReplayOptions{})
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	require.ErrorContains(t, err, "dlq.All")
	_, err = q.Replay(t.Context(), All, ReplayOptions{Limit: -1})
	require.ErrorIs(t, err, eventbus.ErrInvalid)

	before := collect(t, q, Filter{})
	r, err := q.Replay(t.Context(), All, ReplayOptions{DryRun: true, Limit: 120})
	require.NoError(t, err)
	require.Equal(t, ReplayResult{Matched: 120}, r)
	require.Empty(t, sent)
	require.Equal(t, before, collect(t, q, Filter{}))

	var seen []int
	r, err = q.Replay(t.Context(), All, ReplayOptions{Limit: 120, Progress: func(r ReplayResult) {
		require.Equal(t, 120, r.Matched)
		seen = append(seen, r.Replayed)
	}})
	require.NoError(t, err)
	require.Equal(t, ReplayResult{Matched: 120, Replayed: 120}, r)
	require.Equal(t, before[:120], ids(sent))
	require.Equal(t, before[120:], collect(t, q, Filter{}))
	require.Len(t, seen, 120)
	require.Equal(t, 120, seen[119])

	r, err = q.Replay(t.Context(), Filter{AggregateID: "o-1"}, ReplayOptions{})
	require.NoError(t, err)
	require.Equal(t, 13, r.Replayed)
}

func TestReplayCountsByOutcome(t *testing.T) {
	s := filled(t, 4)
	old := letter(4)
	old.Replays = 3
	require.NoError(t, s.Put(t.Context(), old))
	require.NoError(t, s.Put(t.Context(), letter(5)))
	_, err := s.Take(t.Context(), "000001", time.Minute)
	require.NoError(t, err)
	refused := errors.New("refused")
	q := made(Config{
		Store: s, MaxReplays: 3, Groups: func() []string { return []string{"shop"} },
		Send: func(_ context.Context, l Letter) error {
			switch l.ID {
			case "000000":
				_, err := s.Remove(t.Context(), "000002")
				return err
			case "000003":
				return refused
			}
			return nil
		},
	})
	r, err := q.Replay(t.Context(), All, ReplayOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, r.Errors[0], refused)
	require.EqualError(t, r.Errors[0], "eventbus: dead letters: replay 000003: refused")
	r.Errors = nil
	require.Equal(t, ReplayResult{Matched: 6, Replayed: 2, Taken: 1, Bounded: 1, Gone: 1, Failed: 1}, r)
	// What failed is free again, the other caller's is not.
	_, err = s.Take(t.Context(), "000003", time.Minute)
	require.NoError(t, err)
	_, err = s.Take(t.Context(), "000001", time.Minute)
	require.ErrorIs(t, err, ErrTaken)
	// A bounded letter does not use up the limit.
	require.NoError(t, s.Put(t.Context(), letter(6)))
	r, err = q.Replay(t.Context(), Filter{IDs: []string{"000004", "000006"}}, ReplayOptions{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, ReplayResult{Matched: 2, Replayed: 1, Bounded: 1}, r)
}

func TestReplayKeepsTheFirstErrors(t *testing.T) {
	s := filled(t, 25)
	q := bound(s, func(context.Context, Letter) error { return errStore })
	var calls int
	r, err := q.Replay(t.Context(), All, ReplayOptions{Progress: func(ReplayResult) { calls++ }})
	require.NoError(t, err)
	require.Equal(t, 25, r.Failed)
	require.Equal(t, 25, calls)
	require.Len(t, r.Errors, 10)
	require.Len(t, collect(t, q, Filter{}), 25)

	closed := bound(s, func(context.Context, Letter) error { return eventbus.ErrClosed })
	r, err = closed.Replay(t.Context(), All, ReplayOptions{})
	require.ErrorIs(t, err, eventbus.ErrClosed)
	require.Equal(t, 1, r.Failed)
}

func TestReplayByManyAtOnceSendsOnce(t *testing.T) {
	const letters = 500
	s := filled(t, letters)
	var mu sync.Mutex
	sent := map[string]int{}
	q := bound(s, func(_ context.Context, l Letter) error {
		mu.Lock()
		defer mu.Unlock()
		sent[l.ID]++
		return nil
	})
	var wg sync.WaitGroup
	var replayed atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			if i%2 == 0 {
				r, err := q.Replay(t.Context(), All, ReplayOptions{})
				if err != nil || r.Failed > 0 || r.Matched != r.Replayed+r.Taken+r.Gone {
					t.Errorf("%+v %v", r, err)
				}
				replayed.Add(int64(r.Replayed))
				return
			}
			for n := range letters {
				err := q.ReplayOne(t.Context(), letter(n).ID, ReplayOptions{})
				switch {
				case err == nil:
					replayed.Add(1)
				case !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrTaken):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, sent, letters)
	for id, n := range sent {
		require.Equal(t, 1, n, id)
	}
	require.EqualValues(t, letters, replayed.Load())
	require.Empty(t, collect(t, q, Filter{}))
}

// What fails again at once comes back as another letter, and waits.
func TestReplayLeavesWhatFailsAgain(t *testing.T) {
	const letters = 5000
	s := filled(t, letters)
	sends := 0
	q := bound(s, func(ctx context.Context, l Letter) error {
		sends++
		l.Replays++
		l.ID = NewID(l.Group, l.Subscriber, l.EventID, l.Origin, l.Replays)
		return s.Put(ctx, l)
	})
	for round := 1; round <= 5; round++ {
		r, err := q.Replay(t.Context(), All, ReplayOptions{})
		require.NoError(t, err)
		require.Equal(t, letters, r.Replayed)
		require.Equal(t, round*letters, sends)
		n, err := q.Count(t.Context(), Filter{})
		require.NoError(t, err)
		require.Equal(t, letters, n)
	}
	r, err := q.Replay(t.Context(), All, ReplayOptions{})
	require.NoError(t, err)
	require.Equal(t, ReplayResult{Matched: letters, Bounded: letters}, r)
}

func TestReplayLeavesOtherGroupsAlone(t *testing.T) {
	s := filled(t, 3)
	require.NoError(t, s.Put(t.Context(), foreign()))
	var sent []string
	q := bound(s, func(_ context.Context, l Letter) error { sent = append(sent, l.ID); return nil })
	_, err := q.Replay(t.Context(), All, ReplayOptions{})
	require.NoError(t, err)
	require.False(t, slices.Contains(sent, "foreign"))
	p, err := s.Page(t.Context(), Filter{}, "", 10)
	require.NoError(t, err)
	require.Equal(t, []string{"foreign"}, ids(p.Letters))
}
