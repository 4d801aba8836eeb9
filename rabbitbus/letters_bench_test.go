package rabbitbus

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// BenchmarkLetters measures 5, 1,000 and 10,000 letters of 1 KiB of one group, on the broker in
// EVENTBUS_TEST_RABBITMQ. A new store is one that has read nothing yet.
func BenchmarkLetters(b *testing.B) {
	for _, letters := range []int{5, 1000, 10_000} {
		b.Run(fmt.Sprint(letters), func(b *testing.B) {
			broker := realBroker(b)
			s := broker.benchStore()
			fillForBenchmark(b, s, letters)
			benchLooks(b, broker, s, letters)
			benchChanges(b, s, letters)
		})
	}
}

// benchStore is a store of one group that compacts when it is told to.
func (b *testBroker) benchStore() *letterStore {
	s := b.store()
	s.groups = newLetterStore(nil, letterOptions{}).groups
	s.log("shop.mailer")
	s.bounds.garbage = 1 << 30
	return s
}

func benchLooks(b *testing.B, broker *testBroker, s *letterStore, letters int) {
	mail := dlq.Filter{Group: "shop", Subscriber: "mailer"}
	last := mail
	last.IDs = []string{benchLetter(letters - 1).ID}
	list := func(b *testing.B, s *letterStore, f dlq.Filter, want int) {
		n := 0
		for after, more := "", true; more; more = after != "" {
			p, err := s.Page(b.Context(), f, after, 1000)
			require.NoError(b, err)
			n, after = n+len(p.Letters), p.Next
		}
		require.Equal(b, want, n)
	}
	b.Run("list/new", func(b *testing.B) {
		for b.Loop() {
			list(b, broker.benchStore(), mail, letters)
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			list(b, s, mail, letters)
		}
	})
	b.Run("list/text", func(b *testing.B) {
		f := mail
		f.Text = "nothing has it"
		for b.Loop() {
			list(b, s, f, 0)
		}
	})
	b.Run("get/last/new", func(b *testing.B) {
		for b.Loop() {
			list(b, broker.benchStore(), last, 1)
		}
	})
	b.Run("get/last", func(b *testing.B) {
		for b.Loop() {
			list(b, s, last, 1)
		}
	})
	b.Run("count/new", func(b *testing.B) {
		for b.Loop() {
			n, err := broker.benchStore().Count(b.Context(), mail)
			require.NoError(b, err)
			require.Equal(b, letters, n)
		}
	})
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Count(b.Context(), mail)
			require.NoError(b, err)
		}
	})
	b.Run("memory", func(b *testing.B) {
		kept := broker.benchStore()
		before := heap()
		for b.Loop() {
			_, err := kept.Count(b.Context(), mail)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(heap()-before)/float64(letters), "B/letter")
		runtime.KeepAlive(kept)
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func benchChanges(b *testing.B, s *letterStore, letters int) {
	next := letters
	b.Run("put", func(b *testing.B) {
		for b.Loop() {
			next++
			require.NoError(b, s.Put(b.Context(), benchLetter(next)))
		}
	})
	b.Run("take+remove", func(b *testing.B) {
		var taking time.Duration
		for b.Loop() {
			id := benchLetter(next).ID
			next--
			began := time.Now()
			_, err := s.Take(b.Context(), id, time.Minute)
			require.NoError(b, err)
			taking += time.Since(began)
			n, err := s.Remove(b.Context(), id)
			require.NoError(b, err)
			require.Equal(b, 1, n)
			if next < letters {
				b.StopTimer()
				for range 100 {
					next++
					require.NoError(b, s.Put(b.Context(), benchLetter(next)))
				}
				b.StartTimer()
			}
		}
		b.ReportMetric(float64(taking.Nanoseconds())/float64(b.N), "take-ns/op")
	})
	b.Run("compact", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, s.compact(b.Context(), s.log("shop.mailer")))
		}
	})
}

// fillForBenchmark puts n letters.
func fillForBenchmark(b *testing.B, s *letterStore, n int) {
	const workers = 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if err := s.Put(b.Context(), benchLetter(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// benchLetter has a body of 1 KiB and one of 20 event types.
func benchLetter(n int) dlq.Letter {
	l := lettertwins.Letter(n)
	l.ID = dlq.NewID("shop", "mailer", fmt.Sprint("e-", n), "order/0/1-1", 0)
	e := eventbus.NewRaw(fmt.Sprint("order.t", n%20), fmt.Sprint("o-", n%1000), "application/json", []byte(`"`+strings.Repeat("x", 1022)+`"`))
	e.ID, e.Source = fmt.Sprint("e-", n), "/shop"
	return lettertwins.WithEvent(l, e)
}
