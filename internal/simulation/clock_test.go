package simulation

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// steppedClock tells a time of day that is set now and then, while its timers go on. It
// has no monotonic reading that would make up for that.
type steppedClock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *steppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Round(0).Add(c.offset)
}

func (c *steppedClock) AfterFunc(d time.Duration, f func()) eventbus.Timer {
	return time.AfterFunc(max(1, d), f) // due at once, it crashes Go 1.26 in a bubble under the race detector
}

func (c *steppedClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// A clock that is set an hour ahead or back changes no wait, no time-out and no number
// of attempts; nothing is lost or repeated; letters tell times that the clock has told.
func TestClockJumps(t *testing.T) {
	n := uint64(150)
	if testing.Short() {
		n = 30
	}
	first := uint64(1)
	if *oneSeed > 0 {
		first, n = *oneSeed, *oneSeed
	}
	for seed := first; seed <= n && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { jump(t, seed) })
	}
}

func jump(t *testing.T, seed uint64) {
	p := newPlan(seed)
	p.levels, p.acts = [kinds]int{}, nil
	w := newWorld(t, p)
	clock := &steppedClock{}
	w.clock = clock
	r := stream(seed, 3)
	from := time.Now().Add(-time.Hour - time.Second)
	var steps sync.WaitGroup
	steps.Go(func() {
		for _, d := range pick(r, []time.Duration{time.Hour, -time.Hour}, []time.Duration{-time.Hour, time.Hour}, []time.Duration{time.Hour}, []time.Duration{-time.Hour}) {
			rest(t.Context(), time.Duration(r.IntN(600))*time.Millisecond)
			clock.step(d)
			w.mu.Lock()
			w.note("clock", "", "is set by "+d.String())
			w.mu.Unlock()
			rest(t.Context(), 3*time.Second) // longer than an attempt
		}
	})
	w.run()
	steps.Wait()
	until := time.Now().Add(time.Hour)
	page, err := w.letters.Page(t.Context(), dlq.Filter{}, "", 1000)
	require.NoError(t, err)
	for _, l := range page.Letters {
		for _, at := range []time.Time{l.FirstFailure, l.LastFailure, l.BuriedAt} {
			require.False(t, at.Before(from) || at.After(until), "seed %d: %v is not of this time", seed, at)
		}
	}
	require.Less(t, time.Since(w.began), 2*time.Minute, "seed %d: something waited for the clock", seed)
}
