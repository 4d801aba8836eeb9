package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// demoTotals are those of eventbus demo --json.
type demoTotals struct {
	Published       int            `json:"published"`
	PublishedAgain  int            `json:"published_again"`
	Handled         map[string]int `json:"handled"`
	DeadLettered    int            `json:"dead_lettered"`
	Replayed        int            `json:"replayed"`
	LeftInDLQ       int            `json:"left_in_dlq"`
	OrderViolations int            `json:"order_violations"`
	Lost            int            `json:"lost"`
	Duplicates      int            `json:"duplicates"`
}

// The sums of the demo add up too where the server is killed in its middle, and it leaves
// nothing behind.
func TestRedisIsKilledUnderTheDemo(t *testing.T) {
	command := buildDemo(t)
	for name, c := range map[string]struct {
		poison string
		middle func(ctx context.Context, c *redis.Client) (is bool)
	}{
		"publishing": {"payment.declined", func(ctx context.Context, c *redis.Client) bool {
			return demoPublished(ctx, c) > 6000
		}},
		"replaying": {"order.#", func() func(context.Context, *redis.Client) bool {
			most := 0
			return func(ctx context.Context, c *redis.Client) bool {
				now := demoLetters(ctx, c)
				most = max(most, now)
				return now < most*3/4
			}
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "replaying" && testing.Short() {
				t.Skip("a letter whose lease was not confirmed is free after 30 s")
			}
			b := broker.Start(t, broker.Redis, broker.Options{})
			client, err := redisClient(b.Server, nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, client.Close()) }()

			var out, told bytes.Buffer
			demo := exec.CommandContext(t.Context(), command, "demo", "--bus", b.URL, "--orders", "2000", "--poison", c.poison, "--json")
			demo.Stdout, demo.Stderr = &out, &told
			require.NoError(t, demo.Start())
			require.Eventually(t, func() bool { return c.middle(t.Context(), client) }, time.Minute, 5*time.Millisecond)
			b.Kill()
			b.Start()
			require.NoError(t, demo.Wait(), "%s%s", &told, &out)

			var sums demoTotals
			require.NoError(t, json.Unmarshal(out.Bytes(), &sums), "%s", &out)
			t.Logf("%s", &out)
			require.Greater(t, sums.Published, 17_000)
			handled := 0
			for _, n := range sums.Handled {
				handled += n
			}
			require.Len(t, sums.Handled, 4)
			require.Equal(t, 4*sums.Published+sums.Duplicates, handled)
			require.Positive(t, sums.DeadLettered)
			require.Equal(t, sums.DeadLettered, sums.Replayed)
			require.Zero(t, sums.Lost, "lost")
			require.Zero(t, sums.OrderViolations, "order violations")
			require.Zero(t, sums.LeftInDLQ, "left in the DLQ")
			require.Zero(t, client.DBSize(t.Context()).Val(), "keys on the server")
		})
	}
}

func buildDemo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "eventbus")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/eventbus")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// demoPublished counts the events in the demo's topics; the streams of its groups have
// names of three parts.
func demoPublished(ctx context.Context, c *redis.Client) (n int) {
	keys := c.ScanType(ctx, 0, "{eventbus-demo-*:0}", 1000, "stream").Iterator()
	for keys.Next(ctx) {
		n += int(c.XLen(ctx, keys.Val()).Val())
	}
	return n
}

func demoLetters(ctx context.Context, c *redis.Client) (n int) {
	keys := c.ScanType(ctx, 0, "{eventbus-demo-*:dlq}", 1000, "hash").Iterator()
	for keys.Next(ctx) {
		n += int(c.HLen(ctx, keys.Val()).Val())
	}
	return n
}
