package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// TestRedisSidesHandleEveryLoad runs a little of each benchmark on a real server.
func TestRedisSidesHandleEveryLoad(t *testing.T) {
	needServer(t, redisVariable, errNoRedis)
	for _, s := range []shape{ordered(256), ordered(1024), permit()} {
		for name, start := range map[string]load.LogMaker{"raw": s.raw, "raw-json": s.rawJSON, "watermill": s.watermill, "bus": s.bus} {
			l := load.Load{Events: 500, Keys: load.Aggregates(s.aggregates), Publishers: 16, Subscribers: 2}
			t.Run(s.name+"/"+name, func(t *testing.T) {
				for _, sample := range handlesLittle(t, l, start) {
					require.Positive(t, sample.Server)
				}
				l := l
				l.Publishers, l.Batch = 1, 100
				_, err := load.Draining(t.Context(), l, start)
				require.NoError(t, err)
				sample, err := load.Paced(t.Context(), load.Load{Events: 20, Keys: l.Keys}, 200, start)
				require.NoError(t, err)
				require.Positive(t, sample.P50)
				require.GreaterOrEqual(t, sample.P99, sample.P50)
			})
		}
	}
}

func TestEnvelopesAreTheSame(t *testing.T) {
	r := &redisRaw{shape: permit(), head: permit().template(), ids: eventIDs(), load: load.Load{Keys: []string{"case-7"}}}
	ce := string(r.envelope(4711))
	scanned, err := scanEnvelope(ce)
	require.NoError(t, err)
	require.Equal(t, 4711, scanned.version)
	require.Equal(t, "case-7", scanned.Subject)
	read, err := unmarshalEnvelope(ce)
	require.NoError(t, err)
	require.Equal(t, scanned, read)
	_, err = scanEnvelope(`{"id":7}`)
	require.Error(t, err)
}
