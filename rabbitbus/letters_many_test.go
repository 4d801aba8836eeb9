package rabbitbus

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// records returns the IDs of all records of the group, as they stand in its streams.
func (b *testBroker) records(s *letterStore, group string) (ids []string) {
	l := s.newLog(group)
	_, err := s.view(b.t.Context(), l, func(*letterIndex) {})
	require.NoError(b.t, err)
	for _, r := range l.read {
		require.NoError(b.t, s.scan(b.t.Context(), &letterScan{
			stream: r.scan.stream, window: func() int { return 100 }, silence: time.Second,
			visit: func(d *amqp.Delivery) error {
				ids = append(ids, d.MessageId)
				return nil
			},
		}))
	}
	return ids
}

func (b *testBroker) list(s *letterStore, f dlq.Filter, limit int) (ids []string) {
	b.t.Helper()
	ids = []string{}
	for after, more := "", true; more; more = after != "" {
		p, err := s.Page(b.t.Context(), f, after, limit)
		require.NoError(b.t, err)
		ids, after = append(ids, lettertwins.IDs(p.Letters)...), p.Next
	}
	return ids
}

// put puts n letters of one group, from many goroutines where their order does not matter.
func (b *testBroker) put(s *letterStore, n, writers int) {
	b.t.Helper()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				if err := s.Put(b.t.Context(), lettertwins.Letter(i)); err != nil {
					b.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestManyLetters: one of many is found, taken and removed like one of few, and looking at them
// changes nothing.
func TestManyLetters(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	b := realBroker(t)
	s := b.store()
	b.put(s, n, 8)
	want := b.list(s, dlq.Filter{}, 1000)
	require.Len(t, want, n)
	before := b.records(s, "shop.mailer")
	for _, store := range []*letterStore{s, b.store()} {
		require.Equal(t, want, b.list(store, dlq.Filter{Group: "shop", Subscriber: "mailer"}, 700))
		require.Len(t, b.list(store, dlq.Filter{AggregateID: "o-7"}, 100), n/10)
		require.Equal(t, want[n/2:n/2+1], b.list(store, dlq.Filter{IDs: want[n/2 : n/2+1]}, 100))
		count, err := store.Count(t.Context(), dlq.Filter{Type: "order.*"})
		require.NoError(t, err)
		require.Equal(t, n, count)
		require.Empty(t, b.list(store, dlq.Filter{Text: "nothing has it"}, 100))
	}
	require.Equal(t, before, b.records(s, "shop.mailer"), "looking has written something")

	other := b.store()
	l, err := other.Take(t.Context(), want[n/2], time.Minute)
	require.NoError(t, err)
	require.Equal(t, want[n/2], l.ID)
	removed, err := other.Remove(t.Context(), l.ID)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	require.Equal(t, append(want[:n/2:n/2], want[n/2+1:]...), b.list(s, dlq.Filter{}, 1000))
	_, err = s.Take(t.Context(), l.ID, time.Minute)
	require.ErrorIs(t, err, dlq.ErrNotFound)
}

// TestTheFifthOfFive is taken without the four before it.
func TestTheFifthOfFive(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.put(s, 5, 1)
	l, err := s.Take(t.Context(), lettertwins.Letter(4).ID, time.Minute)
	require.NoError(t, err)
	require.Equal(t, lettertwins.Letter(4), l)
	removed, err := s.Remove(t.Context(), l.ID)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	require.Equal(t, []string{"000000", "000001", "000002", "000003"}, b.list(b.store(), dlq.Filter{}, 10))
}
