package dlq

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// letter makes the nth letter of shop.mailer.
func letter(n int) Letter {
	return Letter{
		ID: fmt.Sprintf("%06d", n), Group: "shop", Subscriber: "mailer", Type: "order.created", AggregateID: fmt.Sprint("o-", n%10),
		Reason: HandlerError, Errors: []string{"no"}, EventID: fmt.Sprint("e-", n), Body: []byte(`{"total":7}`),
		LastFailure: time.Unix(int64(n), 0).UTC(),
	}
}

func filled(t testing.TB, n int) *MemoryStore {
	s := NewMemoryStore(MemoryOptions{})
	for i := range n {
		require.NoError(t, s.Put(t.Context(), letter(i)))
	}
	return s
}

func ids(ls []Letter) (out []string) {
	for _, l := range ls {
		out = append(out, l.ID)
	}
	return out
}

func TestMemoryPutOnceAndFull(t *testing.T) {
	s := NewMemoryStore(MemoryOptions{Max: 2})
	require.NoError(t, s.Put(t.Context(), letter(0)))
	again := letter(0)
	again.Subscriber = "other"
	require.NoError(t, s.Put(t.Context(), again))
	require.NoError(t, s.Put(t.Context(), letter(1)))
	require.ErrorIs(t, s.Put(t.Context(), letter(2)), ErrFull)
	require.NoError(t, s.Put(t.Context(), again))
	p, err := s.Page(t.Context(), Filter{}, "", 9)
	require.NoError(t, err)
	require.Equal(t, []Letter{letter(0), letter(1)}, p.Letters)
	require.Empty(t, p.Next)
	_, err = s.Remove(t.Context(), "000000")
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), letter(2)))
}

func TestMemoryPages(t *testing.T) {
	s := filled(t, 5)
	var got [][]string
	for after, first := "", true; first || after != ""; first = false {
		p, err := s.Page(t.Context(), Filter{}, after, 2)
		require.NoError(t, err)
		got, after = append(got, ids(p.Letters)), p.Next
	}
	require.Equal(t, [][]string{{"000000", "000001"}, {"000002", "000003"}, {"000004"}}, got)
	n, err := s.Count(t.Context(), Filter{})
	require.NoError(t, err)
	require.Equal(t, 5, n)
}

func TestMemoryPagesEndWhereTheyBegan(t *testing.T) {
	s := filled(t, 10)
	p, err := s.Page(t.Context(), Filter{}, "", 3)
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), letter(10)))
	// 0 is behind, 3 is the next, and 9, put again, is a new one.
	n, err := s.Remove(t.Context(), "000000", "000003", "000009", "000009", "unknown")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NoError(t, s.Put(t.Context(), letter(9)))
	p, err = s.Page(t.Context(), Filter{}, p.Next, 100)
	require.NoError(t, err)
	require.Equal(t, []string{"000004", "000005", "000006", "000007", "000008"}, ids(p.Letters))
	require.Empty(t, p.Next)
}

// Holes are dropped in the middle of a listing, which does not notice.
func TestMemoryPagesOverCompaction(t *testing.T) {
	const letters = 10_000
	s := filled(t, letters)
	p, err := s.Page(t.Context(), Filter{}, "", 100)
	require.NoError(t, err)
	for i := range letters {
		if i%10 != 0 {
			_, err := s.Remove(t.Context(), letter(i).ID)
			require.NoError(t, err)
		}
	}
	require.Less(t, len(s.slots), letters/2)
	p, err = s.Page(t.Context(), Filter{}, p.Next, letters)
	require.NoError(t, err)
	require.Len(t, p.Letters, letters/10-10)
	require.Equal(t, "000100", p.Letters[0].ID)
}

func TestMemoryPageByID(t *testing.T) {
	s := filled(t, 5)
	f := Filter{IDs: []string{"000004", "none", "000001", "000004", "000002"}}
	p, err := s.Page(t.Context(), f, "", 2)
	require.NoError(t, err)
	require.Equal(t, []string{"000001", "000002"}, ids(p.Letters))
	p, err = s.Page(t.Context(), f, p.Next, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"000004"}, ids(p.Letters))
	f.Subscriber = "biller"
	p, err = s.Page(t.Context(), f, "", 2)
	require.NoError(t, err)
	require.Empty(t, p.Letters)
}

func TestMemoryLeases(t *testing.T) {
	now := time.Unix(0, 0)
	s := NewMemoryStore(MemoryOptions{Now: func() time.Time { return now }})
	require.NoError(t, s.Put(t.Context(), letter(0)))
	take := func() error {
		_, err := s.Take(t.Context(), "000000", time.Minute)
		return err
	}
	require.NoError(t, take())
	require.ErrorIs(t, take(), ErrTaken)
	now = now.Add(time.Minute)
	require.NoError(t, take())
	require.NoError(t, s.Release(t.Context(), "000000"))
	require.NoError(t, take())
	n, err := s.Remove(t.Context(), "000000")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.ErrorIs(t, take(), ErrNotFound)
	require.NoError(t, s.Release(t.Context(), "000000"))
}

func TestMemoryRefusals(t *testing.T) {
	s := filled(t, 3)
	ahead := cursor{after: 1, end: 4}.String()
	for _, bad := range []string{"x", ahead, cursor{after: 3, end: 2}.String(), cursor{end: 3}.String() + "\n", "%%%"} {
		_, err := s.Page(t.Context(), Filter{}, bad, 1)
		require.ErrorIs(t, err, eventbus.ErrInvalid, bad)
	}
	_, err := s.Page(t.Context(), Filter{}, "", 0)
	require.ErrorIs(t, err, eventbus.ErrInvalid)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Page(ctx, Filter{}, "", 1)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Count(ctx, Filter{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Take(ctx, "000000", time.Second)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Remove(ctx, "000000")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Put(ctx, letter(9)), context.Canceled)
	require.ErrorIs(t, s.Release(ctx, "000000"), context.Canceled)
}

// While others put and remove, a listing has every letter that is there all the
// time, once.
func TestMemoryConcurrently(t *testing.T) {
	const stay, churn = 2000, 2000
	s := filled(t, stay+churn)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := stay; i < stay+churn; i++ {
			_, _ = s.Remove(t.Context(), letter(i).ID)
			_ = s.Put(t.Context(), letter(i))
			_, _ = s.Remove(t.Context(), letter(i).ID)
		}
	})
	for range 4 {
		wg.Go(func() {
			var got []string
			for after, first := "", true; first || after != ""; first = false {
				p, err := s.Page(t.Context(), Filter{}, after, 7)
				if err != nil {
					t.Error(err)
					return
				}
				got, after = append(got, ids(p.Letters)...), p.Next
			}
			if !slices.IsSorted(got) || len(slices.Compact(got)) != len(got) || len(got) < stay || got[stay-1] != letter(stay-1).ID {
				t.Errorf("%d letters, not all in order", len(got))
			}
		})
	}
	wg.Wait()
}

func FuzzCursor(f *testing.F) {
	for _, c := range []cursor{{}, {1, 2}, {1<<64 - 1, 1<<64 - 1}} {
		f.Add(c.String())
	}
	f.Add("")
	f.Add("AQAAAAAAAAAAAAAAAAAAAAB")
	s := filled(f, 3)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			require.ErrorIs(t, err, eventbus.ErrInvalid)
		} else {
			require.Equal(t, text, c.String())
			require.LessOrEqual(t, c.after, c.end)
		}
		p, pageErr := s.Page(t.Context(), Filter{}, text, 2)
		if text != "" && err != nil {
			require.ErrorIs(t, pageErr, eventbus.ErrInvalid)
		}
		require.LessOrEqual(t, len(p.Letters), 2)
	})
}
