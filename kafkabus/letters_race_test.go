package kafkabus

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestALetterIsTakenByExactlyOne of many callers, in one process or in several.
func TestALetterIsTakenByExactlyOne(t *testing.T) {
	const takers, letters = 20, 10
	b := realBroker(t)
	stores := b.several(2)
	b.fill(stores[0], letters)
	won := make(chan string, takers*letters)
	var wg sync.WaitGroup
	for n := range takers {
		order := rand.Perm(letters) //nolint:gosec // any order will do
		wg.Go(func() {
			for _, i := range order {
				l, err := stores[n%2].Take(t.Context(), lettertwins.Letter(i).ID, time.Minute)
				switch {
				case err == nil:
					won <- l.ID
				case !isError(err, dlq.ErrTaken):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(won)
	var ids []string
	for id := range won {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	require.Equal(t, b.list(stores[1], dlq.Filter{}, 100), ids)
}

// TestATakenLetterIsReplayedOnce, though many try for it until it is gone.
func TestATakenLetterIsReplayedOnce(t *testing.T) {
	const takers, letters = 8, 10
	b := realBroker(t)
	stores := b.several(4)
	b.fill(stores[0], letters)
	var sent [letters]atomic.Int64
	var wg sync.WaitGroup
	for n := range takers {
		wg.Go(func() {
			for i := range letters {
				for {
					_, err := stores[n%4].Take(t.Context(), lettertwins.Letter(i).ID, time.Minute)
					if isError(err, dlq.ErrTaken) {
						continue
					}
					if isError(err, dlq.ErrNotFound) {
						break
					}
					if err != nil {
						t.Error(err)
						return
					}
					sent[i].Add(1)
					if _, err := stores[n%4].Remove(t.Context(), lettertwins.Letter(i).ID); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range sent {
		require.EqualValues(t, 1, sent[i].Load(), "letter %d", i)
	}
}

// TestWhatAnIndexDoesNotKnow: another process has removed the letter, and stored another under
// its ID.
func TestWhatAnIndexDoesNotKnow(t *testing.T) {
	b := realBroker(t)
	s, stale := b.store(), b.another()
	b.fill(s, 3)
	require.Len(t, b.list(stale, dlq.Filter{}, 9), 3)
	_, err := s.Take(t.Context(), "000001", time.Minute)
	require.NoError(t, err)
	n, err := s.Remove(t.Context(), "000000", "000001", "000002")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	_, err = stale.Take(t.Context(), "000000", time.Minute)
	require.ErrorIs(t, err, dlq.ErrNotFound)
	require.NoError(t, s.Put(t.Context(), lettertwins.Letter(1)))
	_, err = stale.Take(t.Context(), "000001", time.Minute)
	require.NoError(t, err, "another letter has another lease")
	n, err = stale.Remove(t.Context(), "000002")
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestAReaderFindsWhatWasStoredBefore, whatever is stored at the moment.
func TestAReaderFindsWhatWasStoredBefore(t *testing.T) {
	const readers, most = 3, 300
	b := realBroker(t)
	stores := b.several(readers + 1)
	var stored atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range most {
			if err := stores[readers].Put(t.Context(), lettertwins.Letter(i)); err != nil {
				t.Error(err)
			}
			stored.Add(1)
		}
	})
	for _, s := range stores[:readers] {
		wg.Go(func() {
			for want := int64(0); want < most && !t.Failed(); {
				want = stored.Load()
				got, err := s.Count(t.Context(), dlq.Filter{})
				if err != nil || int64(got) < want {
					t.Errorf("%d letters, of %d that were there: %v", got, want, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestARemovedLetterIsCountedOnce, by one of those that remove it at the same time.
func TestARemovedLetterIsCountedOnce(t *testing.T) {
	const letters = 60
	b := realBroker(t)
	stores := b.several(4)
	b.fill(stores[0], letters)
	var removed atomic.Int64
	var wg sync.WaitGroup
	for n := range 8 {
		var ids []string
		for _, i := range rand.Perm(letters) { //nolint:gosec // any order will do
			ids = append(ids, lettertwins.Letter(i).ID)
		}
		wg.Go(func() {
			for part := range slices.Chunk(ids, 7) {
				got, err := stores[n%4].Remove(t.Context(), part...)
				if err != nil {
					t.Error(err)
				}
				removed.Add(int64(got))
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, letters, removed.Load())
}

// TestALetterThatIsPutByManyIsOne, also of a group that is new to all of them.
func TestALetterThatIsPutByManyIsOne(t *testing.T) {
	b := realBroker(t)
	stores := b.several(6)
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			for i := range 5 {
				if err := s.Put(t.Context(), lettertwins.Letter(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		require.Len(t, b.list(s, dlq.Filter{}, 100), 5)
	}
	n, err := stores[0].Remove(t.Context(), b.list(stores[0], dlq.Filter{}, 100)...)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Empty(t, b.list(stores[5], dlq.Filter{}, 100))
}

// TestALeaseEnds by the broker's clock, and no sooner or later because of those that ask for
// it; it outlives its holder, who alone can release it.
func TestALeaseEnds(t *testing.T) {
	const lease = 1500 * time.Millisecond
	b := realBroker(t)
	holder, other := b.another(), b.store()
	b.fill(holder, 1)
	id := lettertwins.Letter(0).ID
	began := time.Now()
	_, err := holder.Take(t.Context(), id, lease)
	require.NoError(t, err)
	require.NoError(t, other.Release(t.Context(), id), "which is not its to release")
	taken := 0
	for {
		_, err := other.Take(t.Context(), id, lease)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, dlq.ErrTaken)
		taken++
	}
	lasted := time.Since(began)
	require.GreaterOrEqual(t, lasted, lease)
	require.Less(t, lasted, 3*lease)
	require.Positive(t, taken)
	require.NoError(t, holder.Release(t.Context(), id), "its lease is over")
	_, err = holder.Take(t.Context(), id, lease)
	require.ErrorIs(t, err, dlq.ErrTaken, "it is the other's now")
	require.NoError(t, other.Release(t.Context(), id))
	_, err = holder.Take(t.Context(), id, lease)
	require.NoError(t, err)
	n, err := b.store().Remove(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	left := map[string]bool{}
	for _, r := range b.records("shop.mailer") {
		left[string(r.key)] = r.value != nil
	}
	for key, there := range left {
		require.False(t, there, "%q stays for ever", key)
	}
}
