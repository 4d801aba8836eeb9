package bench

import (
	"fmt"
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// redisSides are raw, Watermill and the bus.
func redisSides(b *testing.B, s shape, slower int) []logSide {
	b.Helper()
	needServer(b, redisVariable, errNoRedis)
	return []logSide{{"raw", s.raw, 1}, {"watermill", s.watermill, slower}, {"bus", s.bus, 1}}
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
			b.Run(s.name+"/"+c.name, func(b *testing.B) { logDuel(b, s, c.load, load.Publishing, redisSides(b, s, c.slower)...) })
		}
	}
}

// BenchmarkRedisDrain is handling what had been stored before: handlers do nothing.
// raw-json decodes the envelope as most would.
func BenchmarkRedisDrain(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		b.Run(s.name, func(b *testing.B) {
			sides := append([]logSide{{"raw-json", s.rawJSON, 1}}, redisSides(b, s, 10)...)
			logDuel(b, s, load.Load{Events: 100_000, Batch: 100}, load.Draining, sides...)
		})
	}
}

// BenchmarkRedisEndToEnd is 64 publishers, and subscribers that are each handed all.
func BenchmarkRedisEndToEnd(b *testing.B) {
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for _, subscribers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/subscribers=%d", s.name, subscribers), func(b *testing.B) {
				logDuel(b, s, load.Load{Events: 60_000, Publishers: 64, Subscribers: subscribers}, load.EndToEnd, redisSides(b, s, 6)...)
			})
		}
	}
}

// BenchmarkRedisLatency is from Publish to the handler at 200 events a second.
func BenchmarkRedisLatency(b *testing.B) {
	s := ordered(256)
	logLatency(b, s, redisSides(b, s, 1)...)
}

// BenchmarkRedisAlone is the bus without the others, for profiles.
func BenchmarkRedisAlone(b *testing.B) {
	needServer(b, redisVariable, errNoRedis)
	many := load.Load{Events: 100_000, Batch: 100}
	logAlone(b, load.Load{Events: 60_000, Publishers: 64}, many, many, logSide{"bus", ordered(256).bus, 1})
}
