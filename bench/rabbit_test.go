package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// rabbitSides are raw and the bus.
func rabbitSides(tb testing.TB, s shape) []logSide {
	tb.Helper()
	needServer(tb, rabbitVariable, errNoRabbit)
	return []logSide{{"raw", s.rabbitRaw, 1}, {"bus", s.rabbitBus, 1}}
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
			b.Run(s.name+"/"+c.name, func(b *testing.B) { logDuel(b, s, c.load, load.Publishing, rabbitSides(b, s)...) })
		}
	}
}

// BenchmarkRabbitDrain is handling what had been stored before: handlers do nothing.
func BenchmarkRabbitDrain(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		b.Run(s.name, func(b *testing.B) {
			logDuel(b, s, load.Load{Events: 60_000, Publishers: 4, Batch: 100}, load.Draining, rabbitSides(b, s)...)
		})
	}
}

// BenchmarkRabbitEndToEnd is 64 publishers, and subscribers that are each handed all.
func BenchmarkRabbitEndToEnd(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, subscribers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/subscribers=%d", s.name, subscribers), func(b *testing.B) {
				logDuel(b, s, load.Load{Events: 40_000, Publishers: 64, Subscribers: subscribers}, load.EndToEnd, rabbitSides(b, s)...)
			})
		}
	}
}

// BenchmarkRabbitAlone is the bus without the other, for profiles.
func BenchmarkRabbitAlone(b *testing.B) {
	needServer(b, rabbitVariable, errNoRabbit)
	logAlone(b, load.Load{Events: 40_000, Publishers: 64}, load.Load{Events: 80_000, Publishers: 4, Batch: 100},
		load.Load{Events: 60_000, Publishers: 4, Batch: 100}, logSide{"bus", ordered(256).rabbitBus, 1})
}

// TestRabbitSidesHandleEveryLoad runs a little of each benchmark on a real server.
func TestRabbitSidesHandleEveryLoad(t *testing.T) {
	for _, s := range []shape{ordered(256), permit()} {
		for _, side := range rabbitSides(t, s) {
			t.Run(s.name+"/"+side.name, func(t *testing.T) {
				l := load.Load{Events: 500, Keys: load.Aggregates(s.aggregates), Publishers: 16, Subscribers: 2}
				handlesLittle(t, l, side.start)
				l.Publishers, l.Batch, l.Subscribers = 1, 100, 1 // who comes late is handed nothing
				_, err := load.Draining(t.Context(), l, side.start)
				require.NoError(t, err)
			})
		}
	}
}
