package redisbus

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// BenchmarkLetters measures 100,000 letters of 1 KiB on a real server: what a call takes, and
// the longest time that the server spent in one command (worst-µs, from its slow log; 0 is
// less than 50). EVENTBUS_TEST_REDIS says where it is.
func BenchmarkLetters(b *testing.B) {
	s, ok := realServer(b)
	if !ok {
		b.Skip("it wants a server in EVENTBUS_TEST_REDIS")
	}
	const letters = 100_000
	store := storeOn(s.client, s.prefix)
	fillForBenchmark(b, store, letters)
	last := benchLetter(letters).LastFailure
	day := dlq.Filter{Group: "shop", After: last.Add(-24 * time.Hour)} // a letter a minute: 1,440
	for _, c := range []struct {
		name string
		f    dlq.Filter
		page bool
		want int
	}{
		{"page/all", dlq.Filter{Group: "shop"}, true, 50},
		{"page/type", dlq.Filter{Group: "shop", Type: "order.t3"}, true, 50},
		{"page/rareType", dlq.Filter{Group: "shop", Type: "order.rare"}, true, 20},
		{"page/subscriber", dlq.Filter{Group: "shop", Subscriber: "s1"}, true, 50},
		{"page/reason", dlq.Filter{Group: "shop", Reason: dlq.Panic}, true, 50},
		{"page/time", day, true, 50},
		{"page/typeAndSubscriber", dlq.Filter{Group: "shop", Type: "order.t3", Subscriber: "s3"}, true, 50},
		{"page/pattern", dlq.Filter{Group: "shop", Type: "*.rare"}, true, 2},
		{"page/textOfNone", dlq.Filter{Group: "shop", Text: "none has it"}, true, 0},
		{"count/all", dlq.Filter{Group: "shop"}, false, letters},
		{"count/type", dlq.Filter{Group: "shop", Type: "order.t3"}, false, 5000},
		{"count/time", day, false, 1440},
		{"count/textOfNone", dlq.Filter{Group: "shop", Text: "none has it"}, false, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			defer s.slowest(b)()
			for b.Loop() {
				if !c.page {
					n, err := store.Count(b.Context(), c.f)
					require.NoError(b, err)
					require.InDelta(b, c.want, n, 1)
					continue
				}
				p, err := store.Page(b.Context(), c.f, "", 50)
				require.NoError(b, err)
				require.InDelta(b, c.want, len(p.Letters), 1)
			}
		})
	}
	b.Run("put", func(b *testing.B) {
		defer s.slowest(b)()
		for n := letters; b.Loop(); n++ {
			require.NoError(b, store.Put(b.Context(), benchLetter(n)))
		}
	})
	b.Run("purge", func(b *testing.B) { benchPurge(b, s, store) })
}

// benchPurge deletes 100 letters per operation, as a purge does.
func benchPurge(b *testing.B, s testServer, store *letterStore) {
	defer s.slowest(b)()
	for b.Loop() {
		p, err := store.Page(b.Context(), dlq.Filter{Group: "shop"}, "", 100)
		require.NoError(b, err)
		n, err := store.Remove(b.Context(), lettertwins.IDs(p.Letters)...)
		require.NoError(b, err)
		require.Equal(b, 100, n, "-benchtime is too long")
	}
}

// fillForBenchmark puts n letters.
func fillForBenchmark(b *testing.B, store *letterStore, n int) {
	const workers = 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if err := store.Put(b.Context(), benchLetter(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// benchLetter is a letter a minute of 20 event types, 5 subscribers and 10 in 100 panics,
// and every 5,000th of a rare type.
func benchLetter(n int) dlq.Letter {
	l := lettertwins.Letter(n)
	e := l.Event.WithData("application/json", []byte(`"`+strings.Repeat("x", 1022)+`"`))
	e.Type = fmt.Sprint("order.t", n%20)
	if n%5000 == 0 {
		e.Type = "order.rare"
	}
	l = lettertwins.WithEvent(l, e)
	l.Subscriber = fmt.Sprint("s", n/20%5)
	if n/100%10 == 0 {
		l.Reason = dlq.Panic
	}
	l.LastFailure = lettertwins.Letter(0).LastFailure.Add(time.Duration(n) * time.Minute)
	return l
}

// slowest returns what reports the longest command since.
func (s testServer) slowest(b *testing.B) func() {
	const above, length = "slowlog-log-slower-than", "slowlog-max-len"
	old := map[string]string{}
	for _, name := range []string{above, length} {
		old[name] = s.client.ConfigGet(b.Context(), name).Val()[name]
	}
	require.NoError(b, s.client.ConfigSet(b.Context(), above, "50").Err())
	require.NoError(b, s.client.ConfigSet(b.Context(), length, "100000").Err())
	require.NoError(b, s.client.SlowLogReset(b.Context()).Err())
	return func() {
		b.StopTimer()
		logs, err := s.client.SlowLogGet(b.Context(), -1).Result()
		require.NoError(b, err)
		worst, name := time.Duration(0), ""
		for _, l := range logs {
			if l.Duration > worst {
				worst, name = l.Duration, l.Args[0]
			}
		}
		b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
		if worst > 0 {
			b.Log("the longest command was", name, worst)
		}
		for name, value := range old {
			require.NoError(b, s.client.ConfigSet(b.Context(), name, value).Err())
		}
		require.NoError(b, s.client.SlowLogReset(b.Context()).Err())
	}
}
