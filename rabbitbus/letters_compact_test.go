package rabbitbus

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

func nthLetter(writer, n int) dlq.Letter {
	l := lettertwins.Letter(n)
	l.ID = fmt.Sprintf("%d-%06d", writer, n)
	return l
}

// compacted compacts the letters of the group; others may be at it.
func (b *testBroker) compacted(s *letterStore) {
	for {
		err := s.compact(b.t.Context(), s.log("shop.mailer"))
		if err == nil {
			return
		}
		require.ErrorIs(b.t, err, errLetterLocked)
	}
}

// TestCompactionLosesNothing, of many writers and removers that do not stop for it: what was
// put and not removed is there in the end, and what was removed is not.
func TestCompactionLosesNothing(t *testing.T) {
	const writers = 3
	compactions := 20
	if testing.Short() {
		compactions = 5
	}
	b := realBroker(t)
	var stop atomic.Bool
	var wg sync.WaitGroup
	want := make([]map[string]bool, writers)
	for w := range writers {
		want[w] = map[string]bool{}
		s := b.storeOn(b.dial(), quick())
		wg.Go(func() {
			for n := 0; !stop.Load() && !t.Failed(); n++ {
				l := nthLetter(w, n)
				if err := s.Put(t.Context(), l); err != nil {
					t.Error(err)
				}
				want[w][l.ID] = true
				if n%100 == 99 {
					gone := slices.Collect(maps.Keys(want[w]))[:1+len(want[w])/1000*900] // there are a thousand at most
					got, err := s.Remove(t.Context(), gone...)
					if err != nil || got != len(gone) {
						t.Errorf("removed %d of %d: %v", got, len(gone), err)
					}
					for _, id := range gone {
						delete(want[w], id)
					}
				}
			}
		})
	}
	s, reader := b.store(), b.storeOn(b.dial(), quick())
	for range compactions {
		b.compacted(s)
		_, err := reader.Count(t.Context(), dlq.Filter{})
		require.NoError(t, err)
	}
	stop.Store(true)
	wg.Wait()
	all := map[string]bool{}
	for _, w := range want {
		maps.Copy(all, w)
	}
	t.Logf("%d letters are left", len(all))
	for _, store := range []*letterStore{reader, b.store()} {
		got := b.list(store, dlq.Filter{}, 1000)
		require.Equal(t, slices.Sorted(maps.Keys(all)), slices.Sorted(slices.Values(got)))
	}
}

// TestCompactionsAtOnce: one is at it; and what it leaves when it is killed, the next finishes.
func TestCompactionsAtOnce(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.put(s, 300, 4)
	want := b.list(s, dlq.Filter{}, 100)
	for round := range 8 {
		conn := b.dial()
		slow := quick()
		slow.bytes = 1 // a record at a time
		killed := b.storeOn(conn, slow)
		ended := make(chan error, 1)
		go func() {
			for {
				if err := killed.compact(t.Context(), killed.log("shop.mailer")); err != nil && !isError(err, errLetterLocked) {
					ended <- err
					return
				}
			}
		}()
		require.Eventually(t, func() bool { // it has the lock
			return isError(s.tryLocked(t.Context(), s.log("shop.mailer"), func(*letterChannel) error { return nil }), errLetterLocked)
		}, 10*time.Second, time.Millisecond)
		if round%2 == 0 {
			b.list(s, dlq.Filter{}, 100)
		}
		require.NoError(t, conn.Close())
		<-ended
		require.Equal(t, want, b.list(s, dlq.Filter{}, 100))
		require.Equal(t, want, b.list(b.store(), dlq.Filter{}, 100))
		b.compacted(s)
		require.Equal(t, want, b.list(b.store(), dlq.Filter{}, 100))
	}
	n, err := s.Remove(t.Context(), want...)
	require.NoError(t, err)
	require.Equal(t, 300, n)
	b.compacted(s)
	require.Empty(t, b.list(b.store(), dlq.Filter{}, 100))
}

// TestARecordBehindTheEndOfItsGeneration: a node that does not know of the end yet takes a
// letter and confirms it, when the generation was read. Its writer asks, and writes it again.
func TestARecordBehindTheEndOfItsGeneration(t *testing.T) {
	b := realBroker(t)
	bounds := quick()
	bounds.grace = 3 * time.Second
	s := b.storeOn(b.conn, bounds)
	conn, deaf := b.deafen()
	writer := b.storeOn(conn, quick())
	b.put(writer, 1, 1)
	names, l := s.names.of("shop.mailer"), s.log("shop.mailer")
	compacted, stored := make(chan error, 1), make(chan error, 1)
	go func() { compacted <- s.compact(t.Context(), l) }()
	require.Eventually(t, func() bool { // it has read all
		next, err := s.exchangeIs(t.Context(), names.generation(1))
		require.NoError(t, err)
		copying, err := s.exchangeIs(t.Context(), names.copying(1))
		require.NoError(t, err)
		old, err := s.exchangeIs(t.Context(), names.generation(0))
		require.NoError(t, err)
		return next && !copying && !old
	}, 10*time.Second, time.Millisecond)
	ch, err := b.conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.ExchangeDeclare(names.generation(0), amqp.ExchangeFanout, true, false, false, false, nil))
	require.NoError(t, ch.QueueBind(names.generation(0), "", names.generation(0), false, nil))
	deaf.Store(true)
	go func() { stored <- writer.Put(t.Context(), lettertwins.Letter(1)) }()
	require.Eventually(t, func() bool { // it is stored, and its writer does not know yet
		n := 0
		require.NoError(t, s.scan(t.Context(), &letterScan{
			stream: names.generation(0), window: func() int { return 100 }, silence: time.Second,
			visit: func(d *amqp.Delivery) error {
				if d.Type == letterKept {
					n++
				}
				return nil
			},
		}))
		return n == 2
	}, 2*time.Second, time.Millisecond)
	require.NoError(t, ch.ExchangeDelete(names.generation(0), false, false))
	require.NoError(t, <-compacted)
	deaf.Store(false)
	require.NoError(t, <-stored)
	require.Equal(t, []string{"000000", "000001"}, b.list(b.store(), dlq.Filter{}, 9))
}

// TestRemovalsCompact, in the background, and what is of no use goes.
func TestRemovalsCompact(t *testing.T) {
	b := realBroker(t)
	bounds := quick()
	bounds.garbage = 50
	s := b.storeOn(b.conn, bounds)
	b.put(s, 60, 1)
	ids := b.list(s, dlq.Filter{}, 100)
	for _, id := range ids[:40] {
		n, err := s.Remove(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	require.Eventually(t, func() bool { return len(b.records(b.store(), "shop.mailer")) < 60 }, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, ids[40:], b.list(b.store(), dlq.Filter{}, 100))
}

// TestACopyBehindItsRemoval is that of a letter that was removed while it was copied.
func TestACopyBehindItsRemoval(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.put(s, 3, 1)
	stale := b.storeOn(b.dial(), quick())
	require.Len(t, b.list(stale, dlq.Filter{}, 9), 3)
	b.compacted(s)
	n, err := s.Remove(t.Context(), "000001")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	l := stale.log("shop.mailer")
	e := *l.index.byID["000001"]
	require.NoError(t, s.using(t.Context(), func(c *letterChannel) error {
		body, err := letterline.Encode(ptr(lettertwins.Letter(1)))
		require.NoError(t, err)
		return c.publish(t.Context(), l.names.generation(1), "", copyOf(&e, &amqp.Delivery{Body: body}))
	}))
	for _, store := range []*letterStore{s, stale, b.store()} {
		require.Equal(t, []string{"000000", "000002"}, b.list(store, dlq.Filter{}, 9))
		b.compacted(s)
	}
	require.NoError(t, s.Put(t.Context(), lettertwins.Letter(1)), "and stored anew, it is there")
	require.Equal(t, []string{"000000", "000002", "000001"}, b.list(stale, dlq.Filter{}, 9))
}

func ptr[T any](v T) *T { return &v }

// TestWhatNobodyCanReadStays: it is passed over, and carried over.
func TestWhatNobodyCanReadStays(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.put(s, 2, 1)
	l := s.log("shop.mailer")
	for _, p := range []amqp.Publishing{letterRecordOf(letterKept, []byte("no line")), letterRecordOf("of.a.later.version", []byte("{}"))} {
		_, err := s.write(t.Context(), l, p)
		require.NoError(t, err)
	}
	for range 2 {
		require.Equal(t, []string{"000000", "000001"}, b.list(b.store(), dlq.Filter{}, 9))
		b.compacted(s)
	}
	g, _ := l.last()
	require.Len(t, b.records(s, "shop.mailer"), 1+4, "in generation %d, with its genesis", g)
}
