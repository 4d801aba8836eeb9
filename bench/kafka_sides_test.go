package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// TestKafkaSidesHandleEveryLoad runs a little of each benchmark on a real broker.
func TestKafkaSidesHandleEveryLoad(t *testing.T) {
	needKafka(t)
	for _, s := range []shape{ordered(256), permit()} {
		for name, start := range map[string]load.LogMaker{
			"raw": s.kafkaRaw, "franz": s.kafkaFranz, "watermill": s.kafkaWatermill, "bus": s.kafkaBus,
		} {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				l := load.Load{Events: 500, Keys: load.Aggregates(s.aggregates), Publishers: 16, Subscribers: 2}
				for _, measure := range []measureLog{load.Publishing, load.EndToEnd} {
					sample, err := measure(t.Context(), l, start)
					require.NoError(t, err)
					require.Positive(t, sample.Wall)
				}
				l.Publishers, l.Batch = 1, 100
				_, err := load.Draining(t.Context(), l, start)
				require.NoError(t, err)
			})
		}
	}
}
