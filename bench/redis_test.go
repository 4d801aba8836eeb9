package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/duel"
	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

type measureLog func(ctx context.Context, l load.Load, start load.LogMaker) (gauge.Sample, error)

// redisDuel measures raw, Watermill and the bus by turns. Watermill is given fewer events,
// so that a round of it takes about as long as one of the others.
func redisDuel(b *testing.B, s shape, l load.Load, slower int, m measureLog, more ...duel.Contender) (raw, watermill, bus duel.Result) {
	b.Helper()
	needRedis(b)
	l.Keys = load.Aggregates(s.aggregates)
	fewer := l
	fewer.Events /= slower
	side := func(name string, l load.Load, start load.LogMaker) duel.Contender {
		return duel.Contender{Name: name, Round: func() (gauge.Sample, error) { return m(b.Context(), l, start) }}
	}
	before := loadAverage()
	rs := duel.Run(b, leastRounds, append([]duel.Contender{
		side("raw", l, s.raw), side("watermill", fewer, s.watermill), side("bus", l, s.bus),
	}, more...)...)
	b.ReportMetric((before+loadAverage())/2, "load-average")
	reportLogs(b, rs)
	return rs[0], rs[1], rs[2]
}

func needRedis(tb testing.TB) {
	tb.Helper()
	if os.Getenv(redisVariable) == "" {
		tb.Skip(errNoRedis)
	}
}

func reportLogs(b *testing.B, rs []duel.Result) {
	b.Helper()
	for _, r := range rs {
		b.ReportMetric(r.Median(gauge.Sample.PerSecond), r.Name+"-events/s")
		b.ReportMetric(r.Median(gauge.Sample.CPUNS)/1e3, r.Name+"-cpu-us/event")
		b.ReportMetric(r.Median(gauge.Sample.AllocsPerEvent), r.Name+"-allocs/event")
		b.ReportMetric(r.Median(gauge.Sample.BytesPerEvent), r.Name+"-B/event")
		b.ReportMetric(r.Median(gauge.Sample.ServerNS)/1e3, r.Name+"-server-us/event")
	}
	b.ReportMetric(float64(len(rs[0].Samples)), "rounds")
	b.ReportMetric(0, "ns/op") // an op is a round; zero takes the column away
}

// reportRates reports the bus's throughput and CPU time over those of another side.
func reportRates(b *testing.B, bus, other duel.Result) {
	b.Helper()
	for _, c := range []struct {
		name   string
		figure func(gauge.Sample) float64
	}{{"rate", gauge.Sample.PerSecond}, {"cpu", gauge.Sample.CPUNS}} {
		least, largest := bus.Spread(other, c.figure)
		b.ReportMetric(bus.Ratio(other, c.figure), c.name+"/"+other.Name)
		b.ReportMetric(least, c.name+"/"+other.Name+"-least")
		b.ReportMetric(largest, c.name+"/"+other.Name+"-most")
	}
}

// loadAverage is that of the last minute, or 0 where the system does not tell.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	n, _ := strconv.ParseFloat(first, 64)
	return n
}

// BenchmarkRedisPublish is publishing alone: nobody subscribes.
func BenchmarkRedisPublish(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, c := range []struct {
			name   string
			load   load.Load
			slower int
		}{
			{"publishers=1", load.Load{Events: 5_000}, 1},
			{"publishers=16", load.Load{Events: 40_000, Publishers: 16}, 2},
			{"publishers=64", load.Load{Events: 60_000, Publishers: 64}, 2},
			{"batch=100", load.Load{Events: 100_000, Batch: 100}, 10},
		} {
			b.Run(s.name+"/"+c.name, func(b *testing.B) {
				raw, watermill, bus := redisDuel(b, s, c.load, c.slower, load.Publishing)
				reportRates(b, bus, raw)
				reportRates(b, bus, watermill)
			})
		}
	}
}

// BenchmarkRedisDrain is handling what had been stored before: handlers do nothing.
// raw-json decodes the envelope as most would.
func BenchmarkRedisDrain(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		b.Run(s.name, func(b *testing.B) {
			l := load.Load{Events: 100_000, Batch: 100}
			fair := l
			fair.Keys = load.Aggregates(s.aggregates)
			raw, watermill, bus := redisDuel(b, s, l, 10, load.Draining, duel.Contender{Name: "raw-json", Round: func() (gauge.Sample, error) {
				return load.Draining(b.Context(), fair, s.rawJSON)
			}})
			reportRates(b, bus, raw)
			reportRates(b, bus, watermill)
		})
	}
}

// BenchmarkRedisEndToEnd is 64 publishers, and subscribers that are each handed all.
func BenchmarkRedisEndToEnd(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, subscribers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/subscribers=%d", s.name, subscribers), func(b *testing.B) {
				raw, watermill, bus := redisDuel(b, s, load.Load{Events: 60_000, Publishers: 64, Subscribers: subscribers}, 6, load.EndToEnd)
				reportRates(b, bus, raw)
				reportRates(b, bus, watermill)
			})
		}
	}
}

// BenchmarkRedisLatency is from Publish to the handler at 200 events a second.
func BenchmarkRedisLatency(b *testing.B) {
	p50 := func(s gauge.Sample) float64 { return float64(s.P50) / 1e6 }
	p99 := func(s gauge.Sample) float64 { return float64(s.P99) / 1e6 }
	paced := func(ctx context.Context, l load.Load, start load.LogMaker) (gauge.Sample, error) {
		return load.Paced(ctx, l, 200, start)
	}
	raw, watermill, bus := redisDuel(b, ordered(256), load.Load{Events: 400}, 1, paced)
	for _, r := range []duel.Result{raw, watermill, bus} {
		b.ReportMetric(r.Median(p50), r.Name+"-p50-ms")
		b.ReportMetric(r.Median(p99), r.Name+"-p99-ms")
	}
	b.ReportMetric(bus.Median(p50)-raw.Median(p50), "p50-above-raw-ms")
}

// BenchmarkRedisAlone is the bus without the others, for profiles.
func BenchmarkRedisAlone(b *testing.B) {
	needRedis(b)
	s := ordered(256)
	keys := load.Aggregates(s.aggregates)
	for _, c := range []struct {
		name    string
		load    load.Load
		measure measureLog
	}{
		{"publish", load.Load{Events: 60_000, Publishers: 64}, load.Publishing},
		{"batch", load.Load{Events: 100_000, Batch: 100}, load.Publishing},
		{"drain", load.Load{Events: 100_000, Batch: 100}, load.Draining},
		{"end-to-end", load.Load{Events: 60_000, Publishers: 64}, load.EndToEnd},
	} {
		c.load.Keys = keys
		b.Run(c.name, func(b *testing.B) {
			reportLogs(b, duel.Run(b, leastLongRounds, duel.Contender{Name: "bus", Round: func() (gauge.Sample, error) {
				return c.measure(b.Context(), c.load, s.bus)
			}}))
		})
	}
}
