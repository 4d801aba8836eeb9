package demo

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/seed-28af575d/eventbus"
)

const (
	storySource = "/demo/shop"
	storyPoison = "payment.declined"
	// storyOpen is how many orders are under way at once.
	storyOpen = 50
	// storySalt keeps the story's own dice apart from those of its tales.
	storySalt = 0x9e3779b97f4a7c15
)

// story tells how the orders of a shop are fulfilled: orders, payments, shipments
// and invoices, many at once. The same seed and number of orders always make the
// same events, IDs and times included.
type story struct {
	orders int
	seed   uint64
}

func (s story) String() string {
	return fmt.Sprintf("a story of %s, seed %d", count(s.orders, "order"), s.seed)
}

// survey counts the events without making them, which takes no time to speak of.
func (s story) survey(ctx context.Context, _ *console) (survey, error) {
	n := 0
	for i := range s.orders {
		if ctx.Err() != nil {
			return survey{}, context.Cause(ctx)
		}
		n += len(newTale(s.seed, i+1).rest)
	}
	return survey{events: n, poison: storyPoison}, nil
}

// events tells the story; every loop over it tells it from the beginning.
func (s story) events(ctx context.Context, r *register) (iter.Seq[eventbus.DomainEvent], error) {
	return func(yield func(eventbus.DomainEvent) bool) {
		number := 0
		for e := range s.tell() {
			number++
			// Its IDs are distinct, so that entering cannot fail.
			if ctx.Err() != nil || r.enter(&e, number) != nil || !yield(e) {
				return
			}
		}
	}, nil
}

func (s story) tell() iter.Seq[eventbus.DomainEvent] {
	return func(yield func(eventbus.DomainEvent) bool) {
		dice := rand.New(rand.NewPCG(s.seed, storySalt))
		at := time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)
		var open []*tale
		for opened := 0; opened < s.orders || len(open) > 0; {
			for opened < s.orders && len(open) < storyOpen {
				opened++
				open = append(open, newTale(s.seed, opened))
			}
			at = at.Add(time.Duration(1+dice.IntN(5000)) * time.Millisecond)
			i := dice.IntN(len(open))
			if !yield(open[i].next(at)) {
				return
			}
			if len(open[i].rest) == 0 {
				open[i] = open[len(open)-1]
				open = open[:len(open)-1]
			}
		}
	}
}
