package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// model is what a subscriber's handlers must look like from outside, checked while
// they run in a random schedule.
type model struct {
	t           *testing.T
	seed        uint64
	ordered     bool
	concurrency int

	mu      sync.Mutex
	rand    *rand.Rand
	running int
	busy    map[string]string   // event that is being handled, by key
	order   map[string][]string // events that are not settled yet, by key
	left    map[string]int      // failures that are still to come, by event
}

// Several hundred random schedules: many keys, random durations, failures, windows
// and concurrencies.
func TestLanesKeepTheirOrderInAnySchedule(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { runModel(t, seed) })
	}
}

func runModel(t *testing.T, seed uint64) {
	m := &model{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), seed: seed,
		busy: map[string]string{}, order: map[string][]string{}, left: map[string]int{},
	}
	m.ordered, m.concurrency = m.roll(4) > 0, 1+m.roll(6)
	r := newRig(t, settings{
		traits: Traits{Span: []int{0, 0, 5, 50}[m.roll(4)]},
		options: eventbus.Options{
			Window: []int{1, 2, 4, 7, 30, 1000}[m.roll(6)],
			Retry:  eventbus.RetryPolicy{Attempts: 3, Min: time.Millisecond, Multiplier: 3, Jitter: -1},
			Rand:   rand.New(rand.NewPCG(seed, 2)),
		},
	})
	_, source := r.join(eventbus.Subscriber{Handler: eventbus.HandlerFunc(m.handle), Concurrency: m.concurrency, Unordered: !m.ordered})
	r.fake.otherwise = func(_ context.Context, ms []Message) []error { // moves come back when they are due
		for _, move := range ms {
			due := max(1, time.Until(move.NotBefore)) // never at once: see after
			time.AfterFunc(due, func() { source.feed(&Delivery{Message: move}) })
		}
		return nil
	}
	n, keys := 1+m.roll(80), 1+m.roll(9)
	for i := 0; i < n; {
		var ds []*Delivery
		for range min(1+m.roll(20), n-i) {
			ds = append(ds, m.event(m.roll(keys), i))
			i++
		}
		source.feed(ds...)
		pass(time.Duration(m.roll(20)) * time.Millisecond)
	}
	pass(time.Minute)
	st := r.stats()
	require.Len(t, source.acked(), n+int(st.Moved), "seed %d", seed)
	require.Equal(t, uint64(n), st.Handled+st.Buried, "seed %d", seed)
	require.Zero(t, st.InFlight+st.Running, "seed %d", seed)
	require.Equal(t, st.Received, st.Acked, "seed %d", seed)
	require.Zero(t, goroutines("work"), "seed %d", seed)
}

func (m *model) roll(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rand.IntN(n)
}

// event makes the i-th delivery; some have no aggregate, some fail once or more.
func (m *model) event(key, i int) *Delivery {
	id, name := fmt.Sprint(i), ""
	if key > 0 {
		name = fmt.Sprint("k", key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rand.IntN(4) == 0 {
		m.left[id] = 1 + m.rand.IntN(4) // more than the policy allows
	}
	if name != "" {
		m.order[name] = append(m.order[name], id)
	}
	return deliveries(name + ":" + id)[0]
}

func (m *model) handle(ctx context.Context, e eventbus.DomainEvent) error {
	m.mu.Lock()
	m.begin(e)
	took := time.Duration(m.rand.IntN(9)) * time.Millisecond
	m.mu.Unlock()
	if took > 0 {
		rest(took)
	} else {
		runtime.Gosched()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end(ctx, e)
}

func (m *model) begin(e eventbus.DomainEvent) {
	if m.running++; m.running > m.concurrency {
		m.t.Errorf("seed %d: %d handlers run, %d may", m.seed, m.running, m.concurrency)
	}
	if key := e.AggregateID; key != "" && m.ordered {
		if other := m.busy[key]; other != "" {
			m.t.Errorf("seed %d: %s is handled while %s is", m.seed, e.ID, other)
		}
		if first := m.order[key][0]; first != e.ID {
			m.t.Errorf("seed %d: %s is handled before %s", m.seed, e.ID, first)
		}
		m.busy[key] = e.ID
	}
}

func (m *model) end(ctx context.Context, e eventbus.DomainEvent) error {
	m.running--
	key := e.AggregateID
	m.busy[key] = ""
	d, _ := eventbus.DeliveryOf(ctx)
	if m.left[e.ID] > 0 {
		if m.left[e.ID]--; d.Attempt < 3 {
			return errBoom
		}
	}
	if key != "" && m.ordered {
		m.order[key] = m.order[key][1:]
	}
	if m.left[e.ID] > 0 || d.Attempt == 3 && m.rand.IntN(2) == 0 {
		return errBoom // and is buried
	}
	return nil
}
