package broker_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/process"
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

func TestPortsAreFreeAndBelowThoseOfOutgoingConnections(t *testing.T) {
	ports, err := broker.FreePorts(100)
	require.NoError(t, err)
	require.Len(t, ports, 100)
	more, err := broker.FreePorts(100)
	require.NoError(t, err)
	for i, port := range append(ports, more...) {
		require.Less(t, port, 32768)
		require.NotContains(t, ports[min(i+1, 100):], port)
		require.NotContains(t, more[max(0, i-99):], port, "given out twice")
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}

func TestNoTwoProcessesGetTheSamePort(t *testing.T) {
	file := t.TempDir() + "/ports"
	other := process.Start(t, process.Spec{Role: "take ports", Args: process.Args{"file": file}})
	other.Ready()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	theirs := strings.Fields(string(b))
	require.Len(t, theirs, 500)
	ours, err := broker.FreePorts(500)
	require.NoError(t, err)
	for _, port := range ours {
		require.NotContains(t, theirs, strconv.Itoa(port))
	}
}

// takePorts takes ports, and uses none, as whoever has stopped a broker does.
func takePorts(ctx context.Context, args process.Args) error {
	taken, err := broker.FreePorts(500)
	if err != nil {
		return err
	}
	if err := os.WriteFile(args["file"], []byte(strings.Trim(fmt.Sprint(taken), "[]")), 0o600); err != nil {
		return err
	}
	process.Ready(ctx)
	<-ctx.Done()
	return nil
}

func TestACleanUpThatFailsSaysWhatIsLeftAndWhy(t *testing.T) {
	b := broker.Start(t, broker.Redis, broker.Options{})
	s := broker.Space{Server: b.Server, Prefix: "eventbus-test-left"}
	b.Exec("redis-cli", "EVAL", "for i = 1, 5000 do redis.call('SET', KEYS[1] .. i, 'value') end", "1", s.Prefix)
	b.Exec("redis-cli", "ACL", "SETUSER", "default", "-unlink")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := broker.Sweep(ctx, s)
	require.ErrorContains(t, err, " and 4990 more: NOPERM")
	require.Less(t, len(err.Error()), 1000)

	b.Exec("redis-cli", "ACL", "SETUSER", "default", "+unlink")
	require.NoError(t, broker.Sweep(t.Context(), s))
	b.Stop()
	began := time.Now()
	require.ErrorContains(t, broker.Sweep(t.Context(), s), "it does not answer: dial tcp "+b.Addr)
	require.Less(t, time.Since(began), 30*time.Second)
}
