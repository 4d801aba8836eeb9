package kafkabus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// cleaning is how a topic is compacted in a test: as soon as the broker can.
type cleaning struct {
	retain string        // milliseconds for which removals stay
	stale  time.Duration // when an index is made anew
	left   int           // records that are left of those in the test
}

// store returns one for topics that are compacted so.
func (c cleaning) store(b *testBroker) *letterStore {
	bounds := usualLetterBounds()
	bounds.lag, bounds.stale = 0, c.stale
	return b.storeOn(testClient(b.t, b.client.options), letterOptions{bounds: bounds})
}

// compacted waits until the broker has compacted the log of the group away but for a few records.
func (b *testBroker) compacted(s *letterStore, most int) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		l := lettertwins.Letter(99_999) // a segment ends only when something is written
		require.NoError(b.t, s.Put(b.t.Context(), l))
		n, err := s.Remove(b.t.Context(), l.ID)
		require.NoError(b.t, err)
		require.Equal(b.t, 1, n)
		return len(b.records("shop.mailer")) <= most
	}, 100*time.Second, 150*time.Millisecond)
}

// TestLettersOutliveCompaction: those that are there stay, at their places, whoever reads; a listing that
// has begun goes on; what is left of those that are not is passed over.
func TestLettersOutliveCompaction(t *testing.T) {
	if testing.Short() {
		t.Skip("the broker compacts when it likes")
	}
	for name, c := range map[string]cleaning{
		"removals stay":   {retain: "3600000", stale: time.Hour, left: 310},
		"removals go too": {retain: "0", stale: 0, left: 15},
	} {
		t.Run(name, func(t *testing.T) { outliveCompaction(realBroker(t), c) })
	}
}

func outliveCompaction(b *testBroker, c cleaning) {
	t := b.t
	b.topic("shop.mailer", "min.compaction.lag.ms", "0", "min.cleanable.dirty.ratio", "0.0", "segment.ms", "100", "delete.retention.ms", c.retain)
	s, other := c.store(b), c.store(b)
	b.fill(s, 300)
	_, err := other.Take(t.Context(), lettertwins.Letter(150).ID, time.Minute)
	require.NoError(t, err)
	p, err := other.Page(t.Context(), dlq.Filter{}, "", 2)
	require.NoError(t, err)
	var ids, want []string
	for i := range 300 {
		if i%50 == 0 {
			want = append(want, lettertwins.Letter(i).ID)
		} else {
			ids = append(ids, lettertwins.Letter(i).ID)
		}
	}
	n, err := s.Remove(t.Context(), ids...)
	require.NoError(t, err)
	require.Equal(t, len(ids), n)
	b.compacted(s, c.left)
	for i := range 3 {
		require.NoError(t, s.Put(t.Context(), lettertwins.Letter(300+i)))
		want = append(want, lettertwins.Letter(300+i).ID)
	}
	rest, err := other.Page(t.Context(), dlq.Filter{}, p.Next, 100)
	require.NoError(t, err)
	require.Equal(t, want[1:6], lettertwins.IDs(rest.Letters), "the first was on the first page, and the last ones came later")
	for _, store := range []*letterStore{s, other, c.store(b)} {
		require.Equal(t, want, b.list(store, dlq.Filter{}, 4))
		require.Equal(t, want, b.list(store, dlq.Filter{Text: "total"}, 4))
		_, err := store.Take(t.Context(), lettertwins.Letter(150).ID, time.Minute)
		require.ErrorIs(t, err, dlq.ErrTaken)
		_, err = store.Take(t.Context(), lettertwins.Letter(151).ID, time.Minute)
		require.ErrorIs(t, err, dlq.ErrNotFound)
	}
	require.NoError(t, other.Release(t.Context(), lettertwins.Letter(150).ID))
	_, err = c.store(b).Take(t.Context(), lettertwins.Letter(150).ID, time.Minute)
	require.NoError(t, err)
}
