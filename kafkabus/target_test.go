package kafkabus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddressesOfBrokers(t *testing.T) {
	require.NoError(t, legalBrokers([]string{"a:1", "127.0.0.1:65535", "[::1]:9092"}))
	for _, addr := range []string{"", "a", "a:", ":1", "a:b", "a:0", "a:65536", "a:-1", "a:1 ", "kafka://a:1", "u:geheim@a:b"} {
		err := legalBrokers([]string{"a:1", addr})
		require.ErrorContains(t, err, "Brokers[1]", addr)
		require.ErrorContains(t, err, "must be host:port", addr)
		require.NotContains(t, err.Error(), "geheim")
	}
}
