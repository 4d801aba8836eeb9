package kafkabus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestLettersAtRandom: whatever is done in whatever order has the same results in memory, also for a
// process that has read nothing yet.
func TestLettersAtRandom(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 4
	}
	b := realBroker(t)
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := b.client.options
			o.Prefix = fmt.Sprint(o.Prefix, "-", seed)
			one := &testBroker{t: t, client: testClient(t, o)}
			t.Cleanup(one.clean)
			r := &letterRandom{Random: lettertwins.Random{Rand: rand.New(rand.NewPCG(uint64(seed), 1))}, broker: one, twins: newLetterTwins(t, one)}
			if seed%2 == 1 {
				r.bounds = usualLetterBounds()
				r.bounds.chunk, r.bounds.chunks, r.bounds.bytes, r.bounds.batch = 1+r.IntN(7), 1+r.IntN(3), 1+r.IntN(3000), 2+r.IntN(3)
				r.twins.got.bounds = r.bounds
			}
			for range 150 {
				r.step()
			}
		})
	}
}

type letterRandom struct {
	lettertwins.Random
	broker *testBroker
	twins  *letterTwins
	bounds letterBounds // zero: the usual ones
}

func (r *letterRandom) step() {
	w := r.twins
	switch n := r.IntN(20); {
	case n < 8:
		w.Put(r.LetterOfOneGroup())
	case n < 11:
		_ = w.Take(r.ID(), lettertwins.OneOf(r.Random, time.Minute, 0))
	case n < 12:
		w.Release(r.ID())
	case n < 13:
		r.another()
	case n < 15:
		w.Remove(r.IDs()...)
	case n < 17:
		w.Count(r.Filter())
	default:
		r.list()
	}
}

// another goes on with another process's store. What was taken stays so, and that is a matter of each
// store's.
func (r *letterRandom) another() {
	w := r.twins
	next := r.broker.another()
	if r.bounds != (letterBounds{}) {
		next.bounds = r.bounds
	}
	for id, claim := range w.got.held {
		claim.log = next.log(claim.log.group)
		next.held[id] = claim
	}
	w.goOn(next)
}

// list changes letters between the pages where both stores return the same ones: not a part of
// what was asked for.
func (r *letterRandom) list() {
	w, f := r.twins, r.Filter()
	between := func() {}
	if r.bounds == (letterBounds{}) {
		between = func() {
			w.Put(r.LetterOfOneGroup())
			w.Remove(r.IDs()[:1]...)
		}
	}
	w.List(f, lettertwins.OneOf(r.Random, 1, 2, 3, 7, 100), between)
}
