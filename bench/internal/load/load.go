// Package load is the work that every side of a comparison is given: numbered
// events of numbered aggregates, and a tally that says whether each was handled
// once and in order.
package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Load describes the work of one round. Event i is of aggregate i modulo the
// number of aggregates.
type Load struct {
	Events      int           // measured ones
	Keys        []string      // IDs of the aggregates; see Aggregates
	Publishers  int           // each publishes every so-manieth event. Zero means 1
	Batch       int           // events in one call. Zero means 1
	Subscribers int           // of a log, each of which is handed every event. Zero means 1
	Running     int           // handlers that may run at once. Zero means 16
	Bound       int           // events queued at most. Zero means 1,000
	Wait        time.Duration // of each handler
	Slow        bool          // aggregate 0 waits for the events of all others; for loads that Wait
}

// WithDefaults returns the load with every zero field replaced by its meaning.
func (l Load) WithDefaults() Load {
	l.Publishers, l.Batch, l.Subscribers = max(l.Publishers, 1), max(l.Batch, 1), max(l.Subscribers, 1)
	if l.Running == 0 {
		l.Running = 16
	}
	if l.Bound == 0 {
		l.Bound = 1000
	}
	return l
}

// Validate refuses a load whose order could not be told: publishers share the
// aggregates, but each aggregate must have one publisher.
func (l Load) Validate() error {
	if l.Slow && l.Wait <= 0 {
		return errors.New("load: a slow aggregate among handlers that do not wait shows nothing")
	}
	if l.Events <= 0 || len(l.Keys) == 0 || len(l.Keys)%l.Publishers != 0 {
		return fmt.Errorf("load: %d events, %d aggregates that %d publishers must share evenly",
			l.Events, len(l.Keys), l.Publishers)
	}
	return nil
}

// warmUp is how many events are handled before the measured ones, so that
// goroutines, queues and maps have grown.
func (l Load) warmUp() int {
	if l.Wait > 0 {
		return 0 // seconds of sleep that nothing is warmer for
	}
	return min(l.Events, 10_000)
}

// measured is how many events a round measures: with a slow aggregate, those of
// the others.
func (l Load) measured() int {
	if !l.Slow {
		return l.Events
	}
	warm := l.warmUp()
	return l.Events - ofFirst(warm, warm+l.Events, len(l.Keys))
}

// ofFirst is how many of the events from, …, to-1 are of aggregate 0.
func ofFirst(from, to, aggregates int) int {
	return (to+aggregates-1)/aggregates - (from+aggregates-1)/aggregates
}

// Span are the numbers From, From+Step, … below To.
type Span struct{ From, To, Step int }

// Aggregates returns the IDs of n aggregates, in an order that is not the one in
// which they lie in memory.
func Aggregates(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("order-%d", i)
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}
