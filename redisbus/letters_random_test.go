package redisbus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestLettersAtRandom: whatever is done in whatever order has the same results in memory.
func TestLettersAtRandom(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			onEachServer(t, func(t *testing.T, s testServer) {
				r := &letterRandom{Random: lettertwins.Random{Rand: rand.New(rand.NewPCG(uint64(seed), 1))}, twins: newLetterTwins(t, s)}
				if seed%2 == 1 {
					r.twins.got.bounds = letterBounds{chunk: 1 + r.IntN(7), remove: 1 + r.IntN(3), bytes: 1 + r.IntN(3000), chunks: 1 + r.IntN(3)}
				}
				for range 120 {
					r.step()
				}
			})
		})
	}
}

type letterRandom struct {
	lettertwins.Random
	twins *letterTwins
}

func (r *letterRandom) step() {
	w := r.twins
	switch n := r.IntN(20); {
	case n < 8:
		w.Put(r.Letter())
	case n < 11:
		_ = w.Take(r.ID(), lettertwins.OneOf(r.Random, time.Second, time.Minute, 0))
	case n < 12:
		w.Release(r.ID())
	case n < 13:
		w.Pass(lettertwins.OneOf(r.Random, time.Second, 59*time.Second))
	case n < 15:
		w.Remove(r.IDs()...)
	case n < 17:
		w.Count(r.Filter())
	default:
		r.list()
	}
}

// list changes letters between the pages where both stores return the same ones: not by
// time, and not a part of what was asked for.
func (r *letterRandom) list() {
	w, f := r.twins, r.Filter()
	between := func() {}
	if w.got.bounds.chunks == 20 && f.After.IsZero() && f.Before.IsZero() {
		between = func() {
			w.Put(r.Letter())
			w.Remove(r.IDs()[:1]...)
		}
	}
	w.List(f, lettertwins.OneOf(r.Random, 1, 2, 3, 7, 100), between)
}
