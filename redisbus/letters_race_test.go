package redisbus

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestALetterIsTakenByExactlyOne of many callers, in one process or in several.
func TestALetterIsTakenByExactlyOne(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		takers, letters := 20, 500
		if s.mini != nil {
			takers, letters = 8, 40
		}
		store := storeOn(s.client, s.prefix)
		ids := make([]string, letters)
		for i := range ids {
			l := lettertwins.Letter(i)
			ids[i] = l.ID
			require.NoError(t, store.Put(t.Context(), l))
		}
		won := make(chan string, takers*letters)
		var wg sync.WaitGroup
		for n := range takers {
			own := store
			if n%2 == 0 {
				own = storeOn(s.client, s.prefix)
			}
			order := rand.Perm(letters) //nolint:gosec // any order will do
			wg.Go(func() {
				for _, i := range order {
					l, err := own.Take(t.Context(), ids[i], time.Minute)
					switch {
					case err == nil:
						won <- l.ID
					case !errors.Is(err, dlq.ErrTaken):
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		close(won)
		var winners []string
		for id := range won {
			winners = append(winners, id)
		}
		slices.Sort(winners)
		require.Equal(t, ids, winners)
	})
}

// TestALeaseIsReleasedByItsHolderAlone: when it was over, the letter is another's.
func TestALeaseIsReleasedByItsHolderAlone(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		a, b := storeOn(s.client, s.prefix), storeOn(s.client, s.prefix)
		require.NoError(t, a.Put(t.Context(), lettertwins.Letter(0)))
		_, err := a.Take(t.Context(), "000000", time.Second)
		require.NoError(t, err)
		s.pass(t, time.Second)
		_, err = b.Take(t.Context(), "000000", time.Minute)
		require.NoError(t, err)
		require.NoError(t, a.Release(t.Context(), "000000"))
		_, err = a.Take(t.Context(), "000000", time.Minute)
		require.ErrorIs(t, err, dlq.ErrTaken)
		require.NoError(t, b.Release(t.Context(), "000000"))
		_, err = a.Take(t.Context(), "000000", time.Minute)
		require.NoError(t, err)
	})
}

// TestALeaseRunsOut by the server's own clock.
func TestALeaseRunsOut(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		if s.mini != nil {
			s.mini.ClockTTL(true)
		}
		store := storeOn(s.client, s.prefix)
		require.NoError(t, store.Put(t.Context(), lettertwins.Letter(0)))
		_, err := store.Take(t.Context(), "000000", 100*time.Millisecond)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := store.Take(t.Context(), "000000", time.Minute)
			return err == nil
		}, 10*time.Second, 5*time.Millisecond)
	})
}

// TestATakeIsRepeatedByTheClient where the answer of the first was lost.
func TestATakeIsRepeatedByTheClient(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		store := storeOn(s.client, s.prefix)
		require.NoError(t, store.Put(t.Context(), lettertwins.Letter(0)))
		for range 2 {
			reply, err := store.run(t.Context(), letterTake, []string{"000000"}, "000000", store.owner+"1", 60_000)
			require.NoError(t, err)
			require.IsType(t, "", reply)
		}
		reply, err := store.run(t.Context(), letterTake, []string{"000000"}, "000000", store.owner+"2", 60_000)
		require.NoError(t, err)
		require.EqualValues(t, 1, reply)
	})
}

// TestAListingHasEveryLetterThatStays, once and in order, while others come and go.
func TestAListingHasEveryLetterThatStays(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		stay := 300
		if s.mini != nil {
			stay = 60
		}
		store := storeOn(s.client, s.prefix)
		for i := range 2 * stay {
			require.NoError(t, store.Put(t.Context(), lettertwins.Letter(i)))
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := stay; i < 2*stay; i++ {
				_, _ = store.Remove(t.Context(), lettertwins.Letter(i).ID)
				_ = store.Put(t.Context(), lettertwins.Letter(i))
				_, _ = store.Remove(t.Context(), lettertwins.Letter(i).ID)
			}
		})
		for _, f := range []dlq.Filter{{}, {Group: "shop", Subscriber: "mailer"}, {Group: "shop", Before: lettertwins.Letter(stay).LastFailure}} {
			wg.Go(func() {
				var got []string
				for after, first := "", true; first || after != ""; first = false {
					p, err := store.Page(t.Context(), f, after, 7)
					if err != nil {
						t.Error(err)
						return
					}
					got, after = append(got, lettertwins.IDs(p.Letters)...), p.Next
				}
				if !slices.IsSorted(got) || len(slices.Compact(got)) != len(got) || len(got) < stay || got[stay-1] != lettertwins.Letter(stay-1).ID {
					t.Errorf("%d letters, not all in order", len(got))
				}
			})
		}
		wg.Wait()
	})
}

// TestPuttingALetterTwiceAtOnceIsOneLetter, as two processes may that had one delivery.
func TestPuttingALetterTwiceAtOnceIsOneLetter(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				store := storeOn(s.client, s.prefix)
				for i := range 20 {
					if err := store.Put(t.Context(), lettertwins.Letter(i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		root := "{" + s.prefix + ":dlq}"
		require.EqualValues(t, 20, s.client.HLen(t.Context(), root).Val())
		require.EqualValues(t, 120, s.client.ZCard(t.Context(), root+":index").Val())
		require.Equal(t, "20", s.client.Get(t.Context(), root+":seq").Val())
	})
}
