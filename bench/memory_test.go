package bench

import (
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus/bench/internal/duel"
	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// BenchmarkPublish is the cost of an event from Publish to the end of its handler,
// which does nothing, on one subscriber that keeps the order of 1,000 aggregates.
func BenchmarkPublish(b *testing.B) {
	keys := load.Aggregates(1000)
	for _, c := range []struct {
		name string
		load load.Load
	}{
		{"publishers=1", load.Load{Events: 500_000}},
		{"publishers=4", load.Load{Events: 500_000, Publishers: 4}},
		{"batch=100", load.Load{Events: 500_000, Batch: 100}},
		{"bound=65536", load.Load{Events: 500_000, Bound: 65_536}},
	} {
		c.load.Keys = keys
		b.Run(c.name, func(b *testing.B) {
			rs := duel.Run(b, leastRounds,
				contender(b, "bare", load.Round, c.load, startBare),
				contender(b, "interface", load.Round, c.load, startInterface),
				contender(b, "bus", load.Round, c.load, startMemory))
			b.ReportMetric(rs[1].Median(gauge.Sample.NS), "interface-ns/event")
			b.ReportMetric(rs[1].Ratio(rs[0], gauge.Sample.NS), "interface-ratio")
			reportCost(b, rs[0], rs[2])
		})
	}
}

// BenchmarkLatency is one event at a time: published, handled, the next.
func BenchmarkLatency(b *testing.B) {
	p50 := func(s gauge.Sample) float64 { return float64(s.P50) }
	p99 := func(s gauge.Sample) float64 { return float64(s.P99) }
	bare, bus := versus(b, load.RoundTrips, load.Load{Events: 20_000, Keys: load.Aggregates(1000)})
	for _, r := range []duel.Result{bare, bus} {
		b.ReportMetric(r.Median(p50), r.Name+"-p50-ns")
		b.ReportMetric(r.Median(p99), r.Name+"-p99-ns")
	}
	b.ReportMetric(bus.Ratio(bare, p50), "ratio")
	reportMemory(b, bus)
}

// waiting are handlers that wait, as those do that write to a database: 20 events
// of each of 1,000 aggregates.
func waiting() load.Load {
	return load.Load{Events: 20_000, Keys: load.Aggregates(1000), Running: 64, Wait: time.Millisecond}
}

// BenchmarkWaiting is the throughput of handlers that wait; 1 ms and 64 at once
// would be 64,000 events per second if timers were exact.
func BenchmarkWaiting(b *testing.B) {
	bare, bus := versus(b, load.Round, waiting())
	for _, r := range []duel.Result{bare, bus} {
		b.ReportMetric(r.Median(gauge.Sample.PerSecond), r.Name+"-events/s")
	}
	b.ReportMetric(bus.Ratio(bare, gauge.Sample.PerSecond), "rate-ratio")
	reportMemory(b, bus)
}

// BenchmarkSlowAggregate is the throughput of 999 aggregates while the first event
// of another one does not end before theirs have, against the same without it. A
// bus on which it held up any of them would not end at all.
func BenchmarkSlowAggregate(b *testing.B) {
	even, slow := waiting(), waiting()
	slow.Slow = true
	rs := duel.Run(b, leastRounds,
		contender(b, "even", load.Round, even, startMemory),
		contender(b, "slow", load.Round, slow, startMemory),
		contender(b, "bare-even", load.Round, even, startBare),
		contender(b, "bare-slow", load.Round, slow, startBare))
	for _, r := range rs {
		b.ReportMetric(r.Median(gauge.Sample.PerSecond), r.Name+"-events/s")
	}
	b.ReportMetric(rs[1].Ratio(rs[0], gauge.Sample.PerSecond), "rate-ratio")
	b.ReportMetric(rs[3].Ratio(rs[2], gauge.Sample.PerSecond), "bare-rate-ratio")
	reportMemory(b, rs[1])
}
