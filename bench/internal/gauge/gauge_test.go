package gauge_test

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
)

var sink [][]byte

func nothing() error { return nil }

func TestMeasureSeesWhatTheWorkCosts(t *testing.T) {
	const events, size = 1000, 10_000
	s, err := gauge.Measure(events, nothing, func() error {
		for range events {
			sink = append(sink, make([]byte, size))
		}
		for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
			_ = began // busy: the CPU time must show
		}
		return nil
	})
	require.NoError(t, err)
	require.InDelta(t, 1, s.AllocsPerEvent(), 0.5)
	require.InDelta(t, size, s.BytesPerEvent(), size/2)
	require.Greater(t, s.PeakMB(), 9.0)
	require.Greater(t, s.RetainedMB(), 9.0)
	require.GreaterOrEqual(t, s.Wall, 20*time.Millisecond)
	require.Greater(t, s.CPU, 5*time.Millisecond)
	sink = nil

	freed, err := gauge.Measure(events, nothing, func() error {
		for range events {
			sink = [][]byte{make([]byte, size)}
		}
		sink = nil
		return nil
	})
	require.NoError(t, err)
	require.Less(t, freed.RetainedMB(), 1.0)
}

func TestMeasurePassesTheErrorOn(t *testing.T) {
	lost := errors.New("lost")
	failing := func() error { return lost }
	_, err := gauge.Measure(1, nothing, failing)
	require.ErrorIs(t, err, lost)
	_, err = gauge.Measure(1, failing, nothing)
	require.ErrorIs(t, err, lost)
}

func TestALevelCountsWhatWaits(t *testing.T) {
	const goroutines, size = 1000, 10_000
	before := gauge.ReadLevel()
	gate, ended := make(chan struct{}), sync.WaitGroup{}
	for range goroutines {
		held := make([]byte, size)
		ended.Go(func() {
			<-gate
			runtime.KeepAlive(held)
		})
	}
	l := gauge.ReadLevel().Above(before)
	running := gauge.Running()
	close(gate)
	ended.Wait()
	require.InDelta(t, goroutines, l.Goroutines, 10)
	require.Greater(t, l.Bytes, int64(goroutines*(size+2048)), "the least stack has 2,048 bytes")
	require.Positive(t, running)
}
