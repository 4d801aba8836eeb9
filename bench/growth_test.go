package bench

import (
	"fmt"
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// BenchmarkEvents is the cost of an event when a bus handles ever more of them.
func BenchmarkEvents(b *testing.B) {
	keys := load.Aggregates(1000)
	var g growth
	for _, n := range []int{10_000, 100_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g.point(b, load.Load{Events: n, Keys: keys})
		})
	}
}

// BenchmarkAggregates is the cost of an event when they are of ever more
// aggregates, each of which comes up again only after all others.
func BenchmarkAggregates(b *testing.B) {
	var g growth
	for _, n := range []int{10, 1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g.point(b, load.Load{Events: 2_000_000, Keys: load.Aggregates(n)})
		})
	}
}

// growth follows the cost over the points of a series.
type growth struct{ bare, ratio float64 } // at the first point

// point measures one point and reports, beside the costs, by how much they have
// grown since the first: the bare structure's, and ours over that. The latter comes
// from the ratios, each taken within its rounds, because between two points the
// machine may have become another.
func (g *growth) point(b *testing.B, l load.Load) {
	b.Helper()
	bare, bus := versus(b, load.Round, l)
	reportCost(b, bare, bus)
	ns, ratio := bare.Median(gauge.Sample.NS), bus.Ratio(bare, gauge.Sample.NS)
	if g.ratio == 0 {
		g.bare, g.ratio = ns, ratio
	}
	b.ReportMetric(ns/g.bare, "bare-growth")
	b.ReportMetric(ratio/g.ratio, "growth-ratio")
}
