package bench

import (
	"fmt"
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// kafkaSides are raw, franz-go, Watermill and the bus.
func kafkaSides(tb testing.TB, s shape, slower int) []logSide {
	tb.Helper()
	needServer(tb, kafkaVariable, errNoKafka)
	return []logSide{{"raw", s.kafkaRaw, 1}, {"franz", s.kafkaFranz, 1}, {"watermill", s.kafkaWatermill, slower}, {"bus", s.kafkaBus, 1}}
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
			b.Run(s.name+"/"+c.name, func(b *testing.B) { logDuel(b, s, c.load, load.Publishing, kafkaSides(b, s, c.slower)...) })
		}
	}
}

// BenchmarkKafkaDrain is handling what had been stored before: handlers do nothing.
func BenchmarkKafkaDrain(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		b.Run(s.name, func(b *testing.B) {
			logDuel(b, s, load.Load{Events: 200_000, Batch: 100, Publishers: 4}, load.Draining, kafkaSides(b, s, 4)...)
		})
	}
}

// BenchmarkKafkaEndToEnd is 64 publishers, and subscribers that are each handed all.
func BenchmarkKafkaEndToEnd(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, subscribers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/subscribers=%d", s.name, subscribers), func(b *testing.B) {
				logDuel(b, s, load.Load{Events: 60_000, Publishers: 64, Subscribers: subscribers}, load.EndToEnd, kafkaSides(b, s, 3)...)
			})
		}
	}
}

// BenchmarkKafkaLatency is from Publish to the handler at 200 events a second.
func BenchmarkKafkaLatency(b *testing.B) {
	s := ordered(256)
	logLatency(b, s, kafkaSides(b, s, 1)...)
}

// BenchmarkKafkaAlone is each side without the others, for profiles.
func BenchmarkKafkaAlone(b *testing.B) {
	logAlone(b, load.Load{Events: 100_000, Publishers: 64}, load.Load{Events: 100_000, Batch: 100},
		load.Load{Events: 200_000, Batch: 100, Publishers: 4}, kafkaSides(b, ordered(256), 1)...)
}
