package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// TestSidesHandleEveryLoad runs a little of each benchmark, so that the race
// detector and the tally have seen every path before anything is measured.
func TestSidesHandleEveryLoad(t *testing.T) {
	keys := load.Aggregates(100)
	loads := map[string]load.Load{
		"plain":      {Events: 5_000},
		"publishers": {Events: 5_000, Publishers: 4},
		"batches":    {Events: 5_050, Publishers: 2, Batch: 100}, // the last ones are not full
		"one worker": {Events: 5_000, Running: 1},
		"tiny queue": {Events: 2_000, Bound: 100, Publishers: 4},
		"waiting":    {Events: 1_000, Running: 64, Wait: time.Millisecond},
		"slow":       {Events: 1_000, Running: 8, Wait: time.Millisecond, Slow: true},
	}
	for name, side := range map[string]load.Maker{
		"bare": startBare, "memory": startMemory, "interface": startInterface, "watermill": startWatermill,
	} {
		for kind, l := range loads {
			if name == "watermill" && l.Wait > 0 {
				continue // one handler at a time: a slow one holds up all
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				l.Keys = keys
				s, err := load.Round(t.Context(), l, side)
				require.NoError(t, err)
				want := l.Events
				if l.Slow {
					want -= l.Events / len(keys)
				}
				require.Equal(t, want, s.Events)
				require.Positive(t, s.Wall)
			})
		}
		t.Run(name+"/one by one", func(t *testing.T) {
			s, err := load.RoundTrips(t.Context(), load.Load{Events: 1_000, Keys: keys}, side)
			require.NoError(t, err)
			require.Positive(t, s.P50)
			require.GreaterOrEqual(t, s.P99, s.P50)
		})
	}
}

// TestSidesLetABacklogWait also holds what the backlog's goroutines are on each side.
func TestSidesLetABacklogWait(t *testing.T) {
	const events, running = 1_000, 16 // the race detector bears 8,000 goroutines
	taken, held := backlog(events)
	for name, c := range map[string]struct {
		start      load.Maker
		load       load.Load
		goroutines int
	}{
		"bare":      {startBare, taken, running},
		"memory":    {startMemory, taken, running},
		"interface": {startInterface, taken, running},
		"watermill": {startWatermill, held, events},
		"unbounded": {startUnbounded, taken, 2 * events},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := load.Backlog(t.Context(), c.load, c.start)
			require.NoError(t, err)
			require.Equal(t, events, s.Events)
			require.InDelta(t, c.goroutines, s.Waiting.Goroutines, 10)
		})
	}
}
