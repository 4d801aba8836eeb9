package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// broker keeps events until they are acked, and hands them to a new source, in
// order, each time the last one is gone.
type broker struct {
	*rig
	seed   uint64
	source *fakeSource

	mu     sync.Mutex
	rand   *rand.Rand
	events []eventbus.DomainEvent
	acked  map[int]bool
	handed map[uint64]int // event of each receipt of the source
	busy   map[string]string
	done   map[string]bool // events that were handled or will be buried
}

// Whatever is lost in between, every event is settled, in the order of its
// aggregate, and never two of one aggregate are handled at once.
func TestNothingIsLostWithItsSource(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { runBroker(t, seed) })
	}
}

func runBroker(t *testing.T, seed uint64) {
	b := &broker{
		seed: seed, rand: rand.New(rand.NewPCG(seed, 3)),
		acked: map[int]bool{}, busy: map[string]string{}, done: map[string]bool{},
	}
	b.rig = newRig(t, settings{
		traits: Traits{Keep: 20 * time.Millisecond},
		options: eventbus.Options{
			Window: []int{2, 10, 1000}[b.roll(3)],
			Retry:  eventbus.RetryPolicy{Attempts: 3, Min: 5 * time.Millisecond, Jitter: -1},
		},
	})
	_, b.source = b.join(eventbus.Subscriber{Handler: eventbus.HandlerFunc(b.handle), Concurrency: 1 + b.roll(5)})
	b.handed = map[uint64]int{}
	for range 4 + b.roll(10) {
		b.publish(1 + b.roll(12))
		pass(time.Duration(b.roll(15)) * time.Millisecond)
		if b.roll(3) == 0 {
			b.lose()
		}
	}
	pass(time.Minute)
	b.collect()
	require.Len(t, b.acked, len(b.events), "seed %d", seed)
	for _, e := range b.events {
		require.True(t, b.done[e.ID], "seed %d: %s", seed, e.ID)
	}
	st := b.stats()
	require.Zero(t, st.InFlight+st.Running, "seed %d", seed)
	require.Empty(t, b.ledger.suspects(), "seed %d", seed)
}

func (b *broker) roll(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rand.IntN(n)
}

func (b *broker) publish(n int) {
	for range n {
		key := fmt.Sprint("k", b.roll(5))
		b.mu.Lock()
		b.events = append(b.events, order(key, fmt.Sprint(len(b.events))))
		b.mu.Unlock()
		b.hand(len(b.events)-1, 0)
	}
}

func (b *broker) hand(i, redelivered int) {
	d := deliver(b.events[i])
	d.Origin, d.Redelivered = Origin{Topic: "order", N: uint64(i) + 1}, redelivered
	b.source.set(func(s *fakeSource) { b.handed[s.number+1] = i })
	b.source.feed(d)
}

// lose ends the source; the next one may be there before the end is noticed.
func (b *broker) lose() {
	b.source.end()
	if b.roll(2) == 0 {
		pass(time.Duration(b.roll(10)) * time.Millisecond)
	}
	b.collect()
	b.source = b.member("mailer").open()
	b.handed = map[uint64]int{}
	for i := range b.events {
		if !b.acked[i] {
			b.hand(i, 1)
		}
	}
}

// collect takes over what the source has acked.
func (b *broker) collect() {
	for _, n := range b.source.acked() {
		b.acked[b.handed[n]] = true
	}
}

func (b *broker) handle(ctx context.Context, e eventbus.DomainEvent) error {
	b.begin(e)
	if took := b.roll(12); took > 0 {
		rest(time.Duration(took) * time.Millisecond)
	}
	fail := b.roll(3) == 0
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy[e.AggregateID] = ""
	if d, _ := eventbus.DeliveryOf(ctx); fail && d.Attempt < 3 {
		return errBoom
	}
	if ctx.Err() != nil && fail {
		return ctx.Err()
	}
	b.done[e.ID] = true
	if fail {
		return errBoom
	}
	return nil
}

func (b *broker) begin(e eventbus.DomainEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.busy[e.AggregateID]; other != "" {
		b.Errorf("seed %d: %s is handled while %s is", b.seed, e.ID, other)
	}
	b.busy[e.AggregateID] = e.ID
	for _, before := range b.events {
		if before.ID == e.ID {
			break
		}
		if before.AggregateID == e.AggregateID && !b.done[before.ID] {
			b.Errorf("seed %d: %s is handled before %s", b.seed, e.ID, before.ID)
		}
	}
}
