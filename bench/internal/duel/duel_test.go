package duel

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
)

func samples(walls ...time.Duration) []gauge.Sample {
	out := make([]gauge.Sample, len(walls))
	for i, w := range walls {
		out[i] = gauge.Sample{Events: 1, Wall: w}
	}
	return out
}

func TestTheRatioIsThatOfOneRound(t *testing.T) {
	// The machine slows by ten in the middle: medians alone would compare a quiet
	// round of the one with a loud round of the other.
	bare := Result{Samples: samples(10, 10, 100, 100)}
	bus := Result{Samples: samples(20, 20, 200, 200)}
	require.InDelta(t, 2, bus.Ratio(bare, gauge.Sample.NS), 1e-9)
	require.InDelta(t, 110, bus.Median(gauge.Sample.NS), 1e-9)
	require.InDelta(t, 200, bus.Max(gauge.Sample.NS), 1e-9)
	require.InDelta(t, 20, Result{Samples: samples(20, 5, 300)}.Median(gauge.Sample.NS), 1e-9)
}

func TestContendersRunByTurns(t *testing.T) {
	var order string
	contender := func(name string) Contender {
		return Contender{Name: name, Round: func() (gauge.Sample, error) {
			order += name
			return samples(1)[0], nil
		}}
	}
	both := []Contender{contender("a"), contender("b")}
	results := make([]Result, 2)
	for n := range 4 {
		require.NoError(t, round(n, both, results))
	}
	require.Equal(t, "abbaabba", order)
	require.Len(t, results[1].Samples, 4)
}

func TestAFailedRoundNamesItsContender(t *testing.T) {
	lost := errors.New("lost")
	failing := Contender{Name: "bus", Round: func() (gauge.Sample, error) { return gauge.Sample{}, lost }}
	err := round(3, []Contender{failing}, make([]Result, 1))
	require.ErrorIs(t, err, lost)
	require.ErrorContains(t, err, "bus, round 3")
}
