package broker_test

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

func TestABrokerIsSharedAndEachTestCleansUpItsPart(t *testing.T) {
	each(t, func(t *testing.T, k broker.Kind) {
		mine := broker.Use(t, k)
		stays := open(t, mine.Server, mine.Prefix+"-stays")
		require.NoError(t, stays.put(t.Context(), "value"))
		var other broker.Space
		t.Run("another test", func(t *testing.T) {
			other = broker.Use(t, k)
			require.Equal(t, mine.Server, other.Server)
			require.NotEqual(t, mine.Prefix, other.Prefix)
			for _, name := range []string{other.Prefix, other.Prefix + ".b", other.Prefix + "-c"} {
				d := open(t, other.Server, name)
				require.NoError(t, d.put(t.Context(), "value"))
				holds(t, d, 1)
			}
			require.NotEmpty(t, broker.Names(t, other))
		})
		require.Empty(t, broker.Names(t, other), "what the test has left is gone")
		holds(t, stays, 1)
	})
}

func TestPortsAreLocalAndBelowThoseOfOutgoingConnections(t *testing.T) {
	each(t, func(t *testing.T, k broker.Kind) {
		host, port, err := net.SplitHostPort(broker.Use(t, k).Addr)
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1", host)
		require.Len(t, port, 5)
		require.Less(t, port, "32768")
		require.True(t, strings.HasPrefix(port, "2"))
	})
}
