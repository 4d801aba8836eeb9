package bench

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/duel"
	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

func needRabbit(tb testing.TB) {
	tb.Helper()
	if os.Getenv(rabbitVariable) == "" {
		tb.Skip(errNoRabbit)
	}
}

// rabbitDuel measures raw and the bus by turns.
func rabbitDuel(b *testing.B, s shape, l load.Load, m measureLog) (raw, bus duel.Result) {
	b.Helper()
	needRabbit(b)
	l.Keys = load.Aggregates(s.aggregates)
	side := func(name string, start load.LogMaker) duel.Contender {
		return duel.Contender{Name: name, Round: func() (gauge.Sample, error) { return m(b.Context(), l, start) }}
	}
	before := loadAverage()
	rs := duel.Run(b, leastRounds, side("raw", s.rabbitRaw), side("bus", s.rabbitBus))
	b.ReportMetric((before+loadAverage())/2, "load-average")
	reportLogs(b, rs)
	reportRates(b, rs[1], rs[0])
	return rs[0], rs[1]
}

// BenchmarkRabbitPublish is publishing to one quorum queue that nobody reads.
func BenchmarkRabbitPublish(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, c := range []struct {
			name string
			load load.Load
		}{
			{"publishers=1", load.Load{Events: 3_000}},
			{"publishers=64", load.Load{Events: 40_000, Publishers: 64}},
			{"batch=100", load.Load{Events: 40_000, Batch: 100}},
			{"publishers=4/batch=100", load.Load{Events: 80_000, Publishers: 4, Batch: 100}},
		} {
			b.Run(s.name+"/"+c.name, func(b *testing.B) { rabbitDuel(b, s, c.load, load.Publishing) })
		}
	}
}

// BenchmarkRabbitDrain is handling what had been stored before: handlers do nothing.
func BenchmarkRabbitDrain(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		b.Run(s.name, func(b *testing.B) {
			rabbitDuel(b, s, load.Load{Events: 60_000, Publishers: 4, Batch: 100}, load.Draining)
		})
	}
}

// BenchmarkRabbitEndToEnd is 64 publishers, and subscribers that are each handed all.
func BenchmarkRabbitEndToEnd(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, subscribers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/subscribers=%d", s.name, subscribers), func(b *testing.B) {
				rabbitDuel(b, s, load.Load{Events: 40_000, Publishers: 64, Subscribers: subscribers}, load.EndToEnd)
			})
		}
	}
}

// BenchmarkRabbitAlone is the bus without the other, for profiles.
func BenchmarkRabbitAlone(b *testing.B) {
	needRabbit(b)
	s := ordered(256)
	for _, c := range []struct {
		name    string
		load    load.Load
		measure measureLog
	}{
		{"publish", load.Load{Events: 40_000, Publishers: 64}, load.Publishing},
		{"batch", load.Load{Events: 80_000, Publishers: 4, Batch: 100}, load.Publishing},
		{"drain", load.Load{Events: 60_000, Publishers: 4, Batch: 100}, load.Draining},
		{"end-to-end", load.Load{Events: 40_000, Publishers: 64}, load.EndToEnd},
	} {
		c.load.Keys = load.Aggregates(s.aggregates)
		b.Run(c.name, func(b *testing.B) {
			reportLogs(b, duel.Run(b, leastLongRounds, duel.Contender{Name: "bus", Round: func() (gauge.Sample, error) {
				return c.measure(b.Context(), c.load, s.rabbitBus)
			}}))
		})
	}
}

// TestRabbitSidesHandleEveryLoad runs a little of each benchmark on a real server.
func TestRabbitSidesHandleEveryLoad(t *testing.T) {
	needRabbit(t)
	for _, s := range []shape{ordered(256), permit()} {
		for name, start := range map[string]load.LogMaker{"raw": s.rabbitRaw, "bus": s.rabbitBus} {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				l := load.Load{Events: 500, Keys: load.Aggregates(s.aggregates), Publishers: 16, Subscribers: 2}
				for _, measure := range []measureLog{load.Publishing, load.EndToEnd} {
					sample, err := measure(t.Context(), l, start)
					require.NoError(t, err)
					require.Positive(t, sample.Wall)
				}
				l.Publishers, l.Batch, l.Subscribers = 1, 100, 1 // who comes late is handed nothing
				_, err := load.Draining(t.Context(), l, start)
				require.NoError(t, err)
			})
		}
	}
}
