package kafkabus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestManyLetters: one of many is found, taken and removed like one of few, and looking at them
// changes nothing.
func TestManyLetters(t *testing.T) {
	n := 5000
	if testing.Short() {
		n = 500
	}
	b := realBroker(t)
	s := b.store()
	b.fill(s, 1)
	want := []string{lettertwins.Letter(0).ID}
	var rs []record
	one := b.records("shop.mailer")[0]
	for i := 1; i < n; i++ {
		l := lettertwins.Letter(i)
		r := one
		r.key, r.value = []byte(l.ID), encoded(t, &l)
		rs, want = append(rs, r), append(want, l.ID)
		if len(rs) == 500 || i == n-1 {
			err := b.client.append(t.Context(), s.names.letters("shop.mailer"), rs...)
			require.NoError(t, err)
			rs = nil
		}
	}
	before := len(b.records("shop.mailer"))
	for _, store := range []*letterStore{s, b.another()} {
		require.Equal(t, want, b.list(store, dlq.Filter{Group: "shop", Subscriber: "mailer"}, 700))
		require.Len(t, b.list(store, dlq.Filter{AggregateID: "o-7"}, 100), n/10)
		require.Equal(t, want[n/2:n/2+1], b.list(store, dlq.Filter{IDs: want[n/2 : n/2+1]}, 100))
		count, err := store.Count(t.Context(), dlq.Filter{Type: "order.*"})
		require.NoError(t, err)
		require.Equal(t, n, count)
		require.Empty(t, b.list(store, dlq.Filter{Text: "nothing has it"}, 100))
	}
	require.Len(t, b.records("shop.mailer"), before, "looking has written something")

	other := b.another()
	l, err := other.Take(t.Context(), want[n/2], time.Minute)
	require.NoError(t, err)
	require.Equal(t, want[n/2], l.ID)
	removed, err := other.Remove(t.Context(), want[n/2:]...)
	require.NoError(t, err)
	require.Equal(t, n-n/2, removed)
	require.Equal(t, want[:n/2], b.list(s, dlq.Filter{}, 1000))
}
