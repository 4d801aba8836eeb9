package simulation

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// An event that is given up is passed over: later ones of its aggregate are handled. Its
// replay runs behind them, and is handled, or buried again with one replay more.
func TestALetterIsPassedOver(t *testing.T) {
	for _, bad := range []int{1, 3, 9} { // so many calls for the third event fail
		t.Run(fmt.Sprint(bad, " failures"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { passOver(t, bad) })
		})
	}
}

func passOver(t *testing.T, bad int) {
	w, p := quiet(t, map[string]behaviour{"p0-3": {bad: permanent, times: bad}})
	g := w.groups[0]
	p.publishOrders(5)
	expected := []string{"p0-1", "p0-2", "p0-4", "p0-5"}
	require.Equal(t, expected, g.order())
	for replays := range 6 {
		letters := w.standing(t)
		if replays >= bad {
			require.Empty(t, letters)
			break
		}
		require.Len(t, letters, 1)
		require.Equal(t, "p0-3", letters[0].EventID)
		require.Equal(t, replays, letters[0].Replays)
		res, err := p.bus.DeadLetters().Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
		require.NoError(t, err)
		if replays == 5 {
			require.Equal(t, dlq.ReplayResult{Matched: 1, Bounded: 1}, res)
			break
		}
		require.Equal(t, dlq.ReplayResult{Matched: 1, Replayed: 1}, res)
		rest(t.Context(), time.Second)
		if replays+1 == bad {
			expected = append(expected, "p0-3")
		}
		require.Equal(t, expected, g.order())
	}
	w.settle()
	w.judge()
	p.shutdown(forever)
	w.report()
}

// A replay waits in its lane like any other event: behind one that is being retried.
func TestAReplayWaitsForItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := quiet(t, map[string]behaviour{
			"p0-1": {bad: permanent, times: 1},
			"p0-2": {bad: retryAfter, times: 2, delay: 10 * time.Second},
		})
		p.publishOrders(3)
		p.replay(w.groups[0])
		rest(t.Context(), 15*time.Second)
		require.Empty(t, w.groups[0].order())
		w.settle()
		require.Equal(t, []string{"p0-2", "p0-3", "p0-1"}, w.groups[0].order())
		w.judge()
		p.shutdown(forever)
		w.report()
	})
}

// publishOrders publishes events of one aggregate, p0-1 and so on, and waits a second.
func (p *process) publishOrders(n int) {
	t := p.world.t
	for i := range n {
		require.NoError(t, p.publish(t.Context(), i+1, newEvent(fmt.Sprint("p0-", i+1), "order.paid", "a0")))
	}
	rest(t.Context(), time.Second)
}

// quiet is a world without faults, with one process and one ordered subscriber that does
// with each event what the script says, and else succeeds.
func quiet(t *testing.T, script map[string]behaviour) (*world, *process) {
	w := newWorld(t, &plan{
		shards: 2, window: 20, publishTimeout: time.Second, ledger: true, observed: true,
		script: func(id string) behaviour { return script[id] },
		subjects: []*subject{{
			name: "first", patterns: []string{"#"}, concurrency: 4, timeout: time.Second,
			retry: eventbus.RetryPolicy{Attempts: 3, Min: 10 * time.Millisecond, Max: time.Second, Multiplier: 2, Jitter: -1},
		}},
	})
	p := w.launch()
	return w, p
}

// order returns the events in the order in which they were handled.
func (g *group) order() []string {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	return slices.Clone(g.handled)
}

// standing returns the letters that are there.
func (w *world) standing(t *testing.T) []dlq.Letter {
	page, err := w.letters.Page(t.Context(), dlq.Filter{}, "", 1000)
	require.NoError(t, err)
	return page.Letters
}
