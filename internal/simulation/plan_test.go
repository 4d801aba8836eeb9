package simulation

import (
	"math/rand/v2"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// plan is what a seed decides before anything runs.
type plan struct {
	seed           uint64
	traits         engine.Traits
	ledger         bool
	observed       bool // an observer counts
	shards         int
	window         int
	publishTimeout time.Duration
	subjects       []*subject
	processes      int
	publishers     int
	calls          int  // of Publish, by each publisher
	hasty          bool // publishers do not wait for one call before the next
	levels         [kinds]int
	acts           []act
	script         func(id string) behaviour // instead of what the seed decides
}

// subject is a subscriber.
type subject struct {
	name        string
	patterns    []string
	unordered   bool
	concurrency int
	timeout     time.Duration
	retry       eventbus.RetryPolicy
	trouble     int // one event in so many makes trouble
}

func (s *subject) wants(eventType string) bool {
	for _, p := range s.patterns {
		if eventbus.Pattern(p).Match(eventType) {
			return true
		}
	}
	return false
}

// act is what happens to processes, some time after the act before.
type act struct {
	after time.Duration
	what  deed
	grace time.Duration // of a shutdown
	next  time.Duration // after which another process takes its place
}

type deed int

const (
	crash    deed = iota // it dies
	stop                 // it is shut down
	start                // one more starts
	revoke               // a source is taken from it
	stopOnly             // one subscription is stopped; it joins again
	pause                // one subscription, for a while
	replay               // the dead letters of one group
	deeds
)

func newPlan(seed uint64) *plan {
	r := stream(seed, 1)
	p := &plan{
		seed:           seed,
		traits:         traits(r),
		ledger:         r.IntN(4) > 0,
		observed:       r.IntN(3) > 0,
		shards:         1 + r.IntN(3),
		window:         pick(r, 1, 2, 5, 20, 1000),
		publishTimeout: pick(r, 50*time.Millisecond, 300*time.Millisecond, 2*time.Second),
		processes:      1 + r.IntN(3),
		publishers:     1 + r.IntN(3),
	}
	p.calls = (8 + r.IntN(12)) / p.publishers
	p.hasty = !p.traits.Immediate && r.IntN(2) == 0 // elsewhere callers have no order but their own
	for i := range 1 + r.IntN(3) {
		p.subjects = append(p.subjects, newSubject(r, i))
	}
	if r.IntN(10) > 0 {
		p.misfortune(r)
	}
	return p
}

func traits(r *rand.Rand) engine.Traits {
	t := engine.Traits{
		Immediate: r.IntN(3) == 0,
		Routed:    r.IntN(2) == 0,
		Batch:     pick(r, 0, 1, 3, 10),
		Span:      pick(r, 0, 0, 3, 50),
		Keep:      pick(r, 0, 200*time.Millisecond, time.Second),
	}
	t.Reference = t.Immediate && r.IntN(2) == 0
	return t
}

func newSubject(r *rand.Rand, i int) *subject {
	return &subject{
		name:        []string{"first", "second", "third"}[i],
		patterns:    pick(r, []string{"#"}, []string{"order.*", "note.taken"}, []string{"*.created"}, []string{"order.#"}),
		unordered:   r.IntN(3) == 0,
		concurrency: pick(r, 1, 2, 4, 16),
		timeout:     pick(r, 100*time.Millisecond, 500*time.Millisecond, 2*time.Second),
		retry: eventbus.RetryPolicy{
			Attempts: 1 + r.IntN(4), Min: pick(r, time.Millisecond, 10*time.Millisecond, 60*time.Millisecond),
			Max: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2,
		},
		trouble: pick(r, 2, 3, 5, 20),
	}
}

// misfortune decides which faults there are, how often, and what happens to processes.
func (p *plan) misfortune(r *rand.Rand) {
	usual := pick(r, 2, 4, 8) // one kind in so many occurs
	for k := range p.levels {
		if r.IntN(usual) == 0 {
			p.levels[k] = pick(r, 3, 10, 30)
		}
	}
	for _, k := range []fault{receiveGone, ackGone, keepGone} { // or little else would happen
		p.levels[k] *= 4
	}
	if r.IntN(3) == 0 {
		return
	}
	for range r.IntN(5) {
		p.acts = append(p.acts, act{
			after: time.Duration(r.IntN(300)) * time.Millisecond,
			what:  deed(r.IntN(int(deeds))),
			grace: pick(r, 0, 50*time.Millisecond, time.Second, 20*time.Second),
			next:  time.Duration(r.IntN(200)) * time.Millisecond,
		})
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
