package bench

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/duel"
	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// What the benchmarks on brokers have in common.

type measureLog func(ctx context.Context, l load.Load, start load.LogMaker) (gauge.Sample, error)

// logSide is one that is measured.
type logSide struct {
	name   string
	start  load.LogMaker
	slower int // it gets so many times fewer events, so that its rounds take as long; 0: as many
}

func (s logSide) contender(b *testing.B, l load.Load, m measureLog) duel.Contender {
	b.Helper()
	l.Events /= max(s.slower, 1)
	return duel.Contender{Name: s.name, Round: func() (gauge.Sample, error) { return m(b.Context(), l, s.start) }}
}

// logDuel measures sides by turns, of which the last is the bus.
func logDuel(b *testing.B, s shape, l load.Load, m measureLog, sides ...logSide) []duel.Result {
	b.Helper()
	l.Keys = load.Aggregates(s.aggregates)
	contenders := make([]duel.Contender, len(sides))
	for i := range sides {
		contenders[i] = sides[i].contender(b, l, m)
	}
	before := loadAverage()
	rs := duel.Run(b, leastRounds, contenders...)
	b.ReportMetric((before+loadAverage())/2, "load-average")
	reportLogs(b, rs)
	others, bus := rs[:len(rs)-1], rs[len(rs)-1]
	for _, other := range others {
		reportRates(b, bus, other)
	}
	return rs
}

// logLatency is that from Publish to the handler at 200 events a second, in a duel of raw and others with the bus.
func logLatency(b *testing.B, s shape, sides ...logSide) {
	b.Helper()
	p50 := func(s gauge.Sample) float64 { return float64(s.P50) / 1e6 }
	p99 := func(s gauge.Sample) float64 { return float64(s.P99) / 1e6 }
	rs := logDuel(b, s, load.Load{Events: 400}, func(ctx context.Context, l load.Load, start load.LogMaker) (gauge.Sample, error) {
		return load.Paced(ctx, l, 200, start)
	}, sides...)
	for _, r := range rs {
		b.ReportMetric(r.Median(p50), r.Name+"-p50-ms")
		b.ReportMetric(r.Median(p99), r.Name+"-p99-ms")
	}
	raw, bus := rs[0], rs[len(rs)-1]
	b.ReportMetric(bus.Median(p50)-raw.Median(p50), "p50-above-raw-ms")
}

// logAlone is each side without the others, for profiles.
func logAlone(b *testing.B, publishing, batch, drain load.Load, sides ...logSide) {
	b.Helper()
	s := ordered(256)
	for _, c := range []struct {
		name    string
		load    load.Load
		measure measureLog
	}{
		{"publish", publishing, load.Publishing},
		{"batch", batch, load.Publishing},
		{"drain", drain, load.Draining},
		{"end-to-end", publishing, load.EndToEnd},
	} {
		c.load.Keys = load.Aggregates(s.aggregates)
		for _, side := range sides {
			b.Run(c.name+"/"+side.name, func(b *testing.B) {
				reportLogs(b, duel.Run(b, leastLongRounds, side.contender(b, c.load, c.measure)))
			})
		}
	}
}

// needServer skips what needs a server that nobody has named.
func needServer(tb testing.TB, variable string, why error) {
	tb.Helper()
	if os.Getenv(variable) == "" {
		tb.Skip(why)
	}
}

// handlesLittle holds that a side publishes, and handles what it has published.
func handlesLittle(t *testing.T, l load.Load, start load.LogMaker) (samples []gauge.Sample) {
	t.Helper()
	for _, measure := range []measureLog{load.Publishing, load.EndToEnd} {
		sample, err := measure(t.Context(), l, start)
		require.NoError(t, err)
		require.Positive(t, sample.Wall)
		samples = append(samples, sample)
	}
	return samples
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
