package bench

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/duel"
	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

func needKafka(tb testing.TB) {
	tb.Helper()
	if os.Getenv(kafkaVariable) == "" {
		tb.Skip(errNoKafka)
	}
}

// kafkaDuel measures raw, franz-go, Watermill and the bus by turns. Watermill is given fewer
// events, so that a round of it takes about as long as one of the others.
func kafkaDuel(b *testing.B, s shape, l load.Load, slower int, m measureLog) (raw, watermill, bus duel.Result) {
	b.Helper()
	needKafka(b)
	l.Keys = load.Aggregates(s.aggregates)
	fewer := l
	fewer.Events /= slower
	side := func(name string, l load.Load, start load.LogMaker) duel.Contender {
		return duel.Contender{Name: name, Round: func() (gauge.Sample, error) { return m(b.Context(), l, start) }}
	}
	before := loadAverage()
	rs := duel.Run(b, leastRounds, side("raw", l, s.kafkaRaw), side("franz", l, s.kafkaFranz),
		side("watermill", fewer, s.kafkaWatermill), side("bus", l, s.kafkaBus))
	b.ReportMetric((before+loadAverage())/2, "load-average")
	reportLogs(b, rs)
	for _, other := range rs[:3] {
		reportRates(b, rs[3], other)
	}
	return rs[0], rs[2], rs[3]
}

// BenchmarkKafkaPublish is publishing alone: nobody subscribes.
func BenchmarkKafkaPublish(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, c := range []struct {
			name   string
			load   load.Load
			slower int
		}{
			{"publishers=1", load.Load{Events: 5_000}, 1},
			{"publishers=16", load.Load{Events: 40_000, Publishers: 16}, 2},
			{"publishers=64", load.Load{Events: 100_000, Publishers: 64}, 2},
			{"batch=100", load.Load{Events: 100_000, Batch: 100}, 20},
		} {
			b.Run(s.name+"/"+c.name, func(b *testing.B) { kafkaDuel(b, s, c.load, c.slower, load.Publishing) })
		}
	}
}

// BenchmarkKafkaDrain is handling what had been stored before: handlers do nothing.
func BenchmarkKafkaDrain(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		b.Run(s.name, func(b *testing.B) {
			kafkaDuel(b, s, load.Load{Events: 200_000, Batch: 100, Publishers: 4}, 4, load.Draining)
		})
	}
}

// BenchmarkKafkaEndToEnd is 64 publishers, and subscribers that are each handed all.
func BenchmarkKafkaEndToEnd(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, subscribers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/subscribers=%d", s.name, subscribers), func(b *testing.B) {
				kafkaDuel(b, s, load.Load{Events: 60_000, Publishers: 64, Subscribers: subscribers}, 3, load.EndToEnd)
			})
		}
	}
}

// BenchmarkKafkaLatency is from Publish to the handler at 200 events a second.
func BenchmarkKafkaLatency(b *testing.B) {
	p50 := func(s gauge.Sample) float64 { return float64(s.P50) / 1e6 }
	p99 := func(s gauge.Sample) float64 { return float64(s.P99) / 1e6 }
	raw, watermill, bus := kafkaDuel(b, ordered(256), load.Load{Events: 400}, 1, func(ctx context.Context, l load.Load, start load.LogMaker) (gauge.Sample, error) {
		return load.Paced(ctx, l, 200, start)
	})
	for _, r := range []duel.Result{raw, watermill, bus} {
		b.ReportMetric(r.Median(p50), r.Name+"-p50-ms")
		b.ReportMetric(r.Median(p99), r.Name+"-p99-ms")
	}
	b.ReportMetric(bus.Median(p50)-raw.Median(p50), "p50-above-raw-ms")
}

// BenchmarkKafkaAlone is each side without the others, for profiles.
func BenchmarkKafkaAlone(b *testing.B) {
	needKafka(b)
	s := ordered(256)
	for _, c := range []struct {
		name    string
		load    load.Load
		measure measureLog
	}{
		{"publish", load.Load{Events: 100_000, Publishers: 64}, load.Publishing},
		{"batch", load.Load{Events: 100_000, Batch: 100}, load.Publishing},
		{"drain", load.Load{Events: 200_000, Batch: 100, Publishers: 4}, load.Draining},
		{"end-to-end", load.Load{Events: 60_000, Publishers: 64}, load.EndToEnd},
	} {
		c.load.Keys = load.Aggregates(s.aggregates)
		for name, start := range map[string]load.LogMaker{"bus": s.kafkaBus, "raw": s.kafkaRaw, "franz": s.kafkaFranz, "watermill": s.kafkaWatermill} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				reportLogs(b, duel.Run(b, leastLongRounds, duel.Contender{Name: name, Round: func() (gauge.Sample, error) {
					return c.measure(b.Context(), c.load, start)
				}}))
			})
		}
	}
}
