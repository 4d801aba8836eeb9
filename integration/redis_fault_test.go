package integration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// scale is how much of a load a short run has.
func scale(events int) int {
	if testing.Short() {
		return events / 5
	}
	return events
}

// F8: consumers are killed in the middle of their work.
func TestRedisConsumersAreKilled(t *testing.T) {
	b := broker.Start(t, broker.Redis, broker.Options{})
	n := scale(20_000)
	l := newLoad(t, b.Server, b.Server, loadOptions{
		events: n, aggregates: 200, size: 1024, batch: 10, failing: 50, fatal: 5, pace: 5 * time.Millisecond, patience: time.Minute,
	})
	l.publish()
	stays := l.serve()
	for i := range 5 {
		victim := l.serve()
		l.until(n * (i + 1) / 6)
		l.fault(victim.Kill)
	}
	require.NoError(t, l.judge().Err())
	require.NoError(t, stays.Stop())
}

// F1: the broker is killed and comes back, three times.
func TestRedisIsKilledUnderLoad(t *testing.T) {
	b := broker.Start(t, broker.Redis, broker.Options{})
	n := scale(20_000)
	l := newLoad(t, b.Server, b.Server, loadOptions{
		events: n, aggregates: 200, size: 1024, batch: 10, failing: 50, fatal: 5, pace: 5 * time.Millisecond, patience: time.Minute,
	})
	l.publish()
	workers := []interface{ Stop() error }{l.serve(), l.serve()}
	for _, percent := range []int{20, 50, 80} {
		l.until(n * percent / 100)
		l.fault(b.Kill)
		b.Start()
	}
	require.NoError(t, l.judge().Err())
	for _, w := range workers {
		require.NoError(t, w.Stop())
	}
}
