package bench

import (
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/duel"
	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// BenchmarkPeers is the throughput of the bus in memory and of what others offer in
// its place, with handlers that do nothing: Watermill's gochannel in the only mode
// that bounds what waits and keeps order.
func BenchmarkPeers(b *testing.B) {
	keys := load.Aggregates(1600) // which 16 publishers can share
	for _, c := range []struct {
		name string
		load load.Load
	}{
		{"publishers=1", load.Load{Events: 200_000}},
		{"publishers=16", load.Load{Events: 200_000, Publishers: 16}},
	} {
		c.load.Keys = keys
		b.Run(c.name, func(b *testing.B) {
			rs := duel.Run(b, leastRounds,
				contender(b, "watermill", load.Round, c.load, startWatermill),
				contender(b, "interface", load.Round, c.load, startInterface),
				contender(b, "bus", load.Round, c.load, startMemory))
			watermill, held, bus := rs[0], rs[1], rs[2]
			b.ReportMetric(bus.Ratio(watermill, gauge.Sample.PerSecond), "rate-ratio")
			b.ReportMetric(held.Ratio(watermill, gauge.Sample.PerSecond), "interface-rate-ratio")
			b.ReportMetric(bus.Ratio(watermill, gauge.Sample.CPUNS), "cpu-ratio")
			for _, r := range rs {
				b.ReportMetric(r.Median(gauge.Sample.PerSecond), r.Name+"-events/s")
				b.ReportMetric(r.Median(gauge.Sample.CPUNS), r.Name+"-cpu-ns/event")
				b.ReportMetric(r.Median(gauge.Sample.AllocsPerEvent), r.Name+"-allocs/event")
			}
			reportMemory(b, bus)
		})
	}
}

// backlog is so many events that wait, each of an aggregate of its own: a side whose
// Publish waits for the handler needs a publisher for each, and two publishers of
// one aggregate would have no order.
func backlog(events int) (taken, held load.Load) {
	taken = load.Load{Events: events, Keys: load.Aggregates(events), Bound: events}
	held = taken
	held.Publishers = events
	return taken, held
}

// BenchmarkBacklog is what 100,000 events take that wait for their handlers.
func BenchmarkBacklog(b *testing.B) {
	taken, held := backlog(100_000)
	rs := duel.Run(b, leastLongRounds,
		contender(b, "bus", load.Backlog, taken, startMemory),
		contender(b, "watermill", load.Backlog, held, startWatermill),
		contender(b, "unbounded", load.Backlog, taken, startUnbounded))
	for _, r := range rs {
		b.ReportMetric(r.Max(gauge.Sample.WaitingMB), r.Name+"-waiting-MB")
		b.ReportMetric(r.Max(gauge.Sample.PeakMB), r.Name+"-peak-MB")
		b.ReportMetric(r.Max(gauge.Sample.Goroutines), r.Name+"-goroutines")
	}
	b.ReportMetric(float64(len(rs[0].Samples)), "rounds")
	b.ReportMetric(0, "ns/op") // an op is a round; zero takes the column away
}
