package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

			demo := startDemo(t, command, b.URL, "--orders", "2000", "--poison", c.poison)
			require.Eventually(t, func() bool { return c.middle(t.Context(), client) }, time.Minute, 5*time.Millisecond)
			b.Kill()
			b.Start()
			demo.addsUp(17_000)
			require.Zero(t, client.DBSize(t.Context()).Val(), "keys on the server")
		})
	}
}

// The sums of the demo add up where the server closes all of its connections in the middle, ten
// times in the long form, and it leaves nothing behind.
func TestRabbitClosesTheConnectionsOfTheDemo(t *testing.T) {
	command := buildDemo(t)
	b := broker.Start(t, broker.RabbitMQ, broker.Options{})
	open := func() int { return strings.Count(b.Exec("rabbitmqctl", "-q", "list_connections", "name"), "->") }
	orders := 4000
	if testing.Short() {
		orders = 2000
	}
	demo := startDemo(t, command, b.URL, "--orders", strconv.Itoa(orders))
	cuts := 0
	for range scaledTimes(10) {
		require.Eventually(t, func() bool { return open() >= 2 || demo.isOver() }, time.Minute, 5*time.Millisecond, "it publishes and consumes")
		if demo.isOver() {
			break // a quick machine
		}
		b.Exec("rabbitmqctl", "close_all_connections", "by a test")
		cuts++
	}
	require.NotZero(t, cuts, "the demo was over before the first")
	demo.addsUp(orders * 8)
	for _, what := range []string{"list_queues", "list_exchanges"} {
		left := func() string { return b.Exec("rabbitmqctl", "-q", what, "name") }
		// A lease that was cut off goes by itself.
		require.Eventually(t, func() bool { return !strings.Contains(left(), "eventbus") }, 2*time.Minute, 100*time.Millisecond, what)
	}
}

// demoRun is a demo that runs.
type demoRun struct {
	*testing.T
	command   *exec.Cmd
	out, told bytes.Buffer
	over      chan error
}

func startDemo(t *testing.T, command, bus string, args ...string) *demoRun {
	t.Helper()
	d := &demoRun{T: t, over: make(chan error, 1)}
	d.command = exec.CommandContext(t.Context(), command, append([]string{"demo", "--json", "--bus", bus}, args...)...)
	d.command.Stdout, d.command.Stderr = &d.out, &d.told
	require.NoError(t, d.command.Start())
	go func() { d.over <- d.command.Wait() }()
	return d
}

func (d *demoRun) isOver() bool { return len(d.over) > 0 }

// addsUp waits for the end: nothing was lost, invented or left, of at least so many events.
func (d *demoRun) addsUp(events int) {
	d.Helper()
	require.NoError(d, <-d.over, "%s%s", &d.told, &d.out)
	var sums demoTotals
	require.NoError(d, json.Unmarshal(d.out.Bytes(), &sums), "%s", &d.out)
	d.Logf("%s", &d.out)
	require.Greater(d, sums.Published, events)
	handled := 0
	for _, n := range sums.Handled {
		handled += n
	}
	require.Len(d, sums.Handled, 4)
	require.Equal(d, 4*sums.Published+sums.Duplicates, handled)
	require.Positive(d, sums.DeadLettered)
	require.Equal(d, sums.DeadLettered, sums.Replayed)
	require.Zero(d, sums.Lost, "lost")
	require.Zero(d, sums.OrderViolations, "order violations")
	require.Zero(d, sums.LeftInDLQ, "left in the DLQ")
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
