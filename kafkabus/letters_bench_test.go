package kafkabus

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// benchLetter is the nth letter, of about 1 KiB.
func benchLetter(n int) dlq.Letter {
	l := lettertwins.Letter(n)
	e := eventbus.NewRaw("order.created", fmt.Sprint("o-", n%10), "application/json", []byte(`"`+strings.Repeat("x", 1000)+`"`))
	e.Source = "/shop"
	return lettertwins.WithEvent(l, e)
}

// BenchmarkLetters measures letters of 1 KiB of one group, on the broker in EVENTBUS_TEST_KAFKA. A
// new store is one that has read nothing yet.
func BenchmarkLetters(b *testing.B) {
	for _, letters := range []int{5, 10_000} {
		b.Run(fmt.Sprint(letters), func(b *testing.B) {
			broker := realBroker(b)
			s := broker.store()
			require.NoError(b, s.Put(b.Context(), benchLetter(0)))
			var rs []record
			for i := 1; i < letters; i++ {
				l := benchLetter(i)
				if rs = append(rs, record{key: []byte(l.ID), value: encoded(b, &l)}); len(rs) == 10 || i == letters-1 {
					err := broker.client.append(b.Context(), s.names.letters("shop.mailer"), rs...)
					require.NoError(b, err)
					rs = nil
				}
			}
			benchLooks(b, broker, s, letters)
			benchChanges(b, s, letters)
		})
	}
}

func benchLooks(b *testing.B, broker *testBroker, s *letterStore, letters int) {
	all := dlq.Filter{Group: "shop", Subscriber: "mailer"}
	page := func(b *testing.B, s *letterStore, f dlq.Filter, limit int) {
		p, err := s.Page(b.Context(), f, "", limit)
		require.NoError(b, err)
		require.NotEmpty(b, p.Letters)
	}
	for name, f := range map[string]func(b *testing.B){
		"count": func(b *testing.B) {
			n, err := s.Count(b.Context(), all)
			require.NoError(b, err)
			require.Equal(b, letters, n)
		},
		"count new": func(b *testing.B) {
			n, err := broker.store().Count(b.Context(), all)
			require.NoError(b, err)
			require.Equal(b, letters, n)
		},
		"page of 100": func(b *testing.B) { page(b, s, all, 100) },
		"one": func(b *testing.B) {
			page(b, s, dlq.Filter{Group: "shop", Subscriber: "mailer", IDs: []string{lettertwins.Letter(letters - 1).ID}}, 1)
		},
		"one of any group": func(b *testing.B) { page(b, s, dlq.Filter{IDs: []string{lettertwins.Letter(letters - 1).ID}}, 1) },
		"all":              func(b *testing.B) { require.Len(b, broker.list(s, all, 1000), letters) },
		"text":             func(b *testing.B) { require.Empty(b, broker.list(s, dlq.Filter{Text: "none has it"}, 100)) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f(b)
			}
		})
	}
}

func benchChanges(b *testing.B, s *letterStore, letters int) {
	b.Run("take and release", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Take(b.Context(), lettertwins.Letter(letters-1).ID, time.Minute)
			require.NoError(b, err)
			require.NoError(b, s.Release(b.Context(), lettertwins.Letter(letters-1).ID))
		}
	})
	var next atomic.Int64
	next.Store(int64(letters))
	b.Run("put", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, s.Put(b.Context(), benchLetter(int(next.Add(1)))))
		}
	})
	b.Run("put by 64", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if err := s.Put(b.Context(), benchLetter(int(next.Add(1)))); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("take and remove", func(b *testing.B) {
		for b.Loop() {
			id := benchLetter(int(next.Load())).ID
			next.Add(-1)
			_, err := s.Take(b.Context(), id, time.Minute)
			require.NoError(b, err)
			n, err := s.Remove(b.Context(), id)
			require.NoError(b, err)
			require.Equal(b, 1, n)
		}
	})
}
