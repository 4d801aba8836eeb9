package bench

import (
	"context"
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/duel"
	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// Rounds at least, enough for a median, and fewer of them where one takes seconds.
const (
	leastRounds     = 5
	leastLongRounds = 3
	long            = 10_000_000 // events
)

type measure func(ctx context.Context, l load.Load, start load.Maker) (gauge.Sample, error)

// versus measures the bare structure and the bus in memory by turns.
func versus(b *testing.B, m measure, l load.Load) (bare, bus duel.Result) {
	b.Helper()
	least := leastRounds
	if l.Events >= long {
		least = leastLongRounds
	}
	rs := duel.Run(b, least, contender(b, "bare", m, l, startBare), contender(b, "bus", m, l, startMemory))
	return rs[0], rs[1]
}

func contender(b *testing.B, name string, m measure, l load.Load, start load.Maker) duel.Contender {
	return duel.Contender{Name: name, Round: func() (gauge.Sample, error) { return m(b.Context(), l, start) }}
}

// reportCost reports what an event costs on both, and what it costs more on the bus.
func reportCost(b *testing.B, bare, bus duel.Result) {
	b.Helper()
	b.ReportMetric(bus.Ratio(bare, gauge.Sample.NS), "ratio")
	b.ReportMetric(bus.Ratio(bare, gauge.Sample.CPUNS), "cpu-ratio")
	for _, r := range []duel.Result{bare, bus} {
		b.ReportMetric(r.Median(gauge.Sample.NS), r.Name+"-ns/event")
		b.ReportMetric(r.Median(gauge.Sample.CPUNS), r.Name+"-cpu-ns/event")
	}
	reportMemory(b, bus)
}

// reportMemory reports what a round of the bus took from the heap. The columns of
// -benchmem, which would tell of whole rounds of all contenders, are per event of
// the bus too.
func reportMemory(b *testing.B, bus duel.Result) {
	b.Helper()
	b.ReportMetric(bus.Median(gauge.Sample.AllocsPerEvent), bus.Name+"-allocs/event")
	b.ReportMetric(bus.Median(gauge.Sample.AllocsPerEvent), "allocs/op")
	b.ReportMetric(bus.Median(gauge.Sample.BytesPerEvent), "B/op")
	b.ReportMetric(bus.Max(gauge.Sample.PeakMB), bus.Name+"-peak-MB")
	b.ReportMetric(bus.Max(gauge.Sample.RetainedMB), bus.Name+"-retained-MB")
	b.ReportMetric(float64(len(bus.Samples)), "rounds")
	b.ReportMetric(0, "ns/op") // an op is a round; zero takes the column away
}
