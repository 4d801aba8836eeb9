package integration_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// losses are faults by which Redis loses what it had accepted. They are the negative controls
// of the oracle too: it must see that.
var losses = []struct {
	name string
	args []string // of the server
	harm func(l *load, b *broker.Broker, c *redis.Client)
}{
	{"Flushed", nil, func(l *load, _ *broker.Broker, c *redis.Client) {
		require.NoError(l.t, c.FlushAll(l.t.Context()).Err())
	}},
	{"StreamDeleted", nil, func(l *load, _ *broker.Broker, c *redis.Client) {
		require.NoError(l.t, c.Del(l.t.Context(), lossStream).Err())
	}},
	{"KilledWithoutADisk", []string{"--appendonly", "no"}, func(_ *load, b *broker.Broker, _ *redis.Client) {
		b.Kill()
		b.Start()
	}},
}

const lossStream = "{" + loadPrefix + ":order:0}"

// TestRedisLosesEverything under load: the group is there again at once, what is published
// afterwards is handled, and that something may be lost is told.
func TestRedisLosesEverything(t *testing.T) {
	for _, loss := range losses {
		t.Run(loss.name, func(t *testing.T) {
			t.Parallel()
			b := broker.Start(t, broker.Redis, broker.Options{Args: loss.args})
			c, err := redisClient(b.Server, nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, c.Close()) }()
			l := newLoad(t, b.Server, loadOptions{events: 10_000})
			l.serve()
			l.serve()
			l.publish()
			l.until(50)
			harmed := l.lose(func() { loss.harm(l, b, c) })
			require.Eventually(t, func() bool {
				groups, err := c.XInfoGroups(t.Context(), lossStream).Result()
				return err == nil && len(groups) == 1
			}, 5*time.Second, time.Millisecond, "the group is not made again") // two, were there nothing else to do
			l.healed()
			l.lost(harmed)
			for _, w := range l.workers {
				if loss.args != nil {
					require.Contains(t, w.Output(), "keeps nothing on disk")
				}
			}
			l.stop()
		})
	}
}

// lose lets something be lost that nobody was handed, and something be published before the
// group is there again: the consumers stand still meanwhile.
func (l *load) lose(harm func()) (harmed time.Time) {
	l.t.Helper()
	for _, w := range l.workers {
		w.Suspend()
	}
	more := func() {
		n := l.published.Load() + 200
		l.soon("more is published", func() bool { return l.published.Load() >= n })
	}
	more()
	l.fault(harm)
	more()
	for _, w := range l.workers {
		w.Continue()
	}
	return l.cuts[len(l.cuts)-1]
}

// lost: by the oracle nothing is lost that was published afterwards, something is that was
// before, and one of the consumers has told of it.
func (l *load) lost(harmed time.Time) {
	l.t.Helper()
	l.options.needs = func(published journal.Record) bool { return published.At().After(harmed) }
	require.NoError(l.t, l.judge().Err())
	l.options.needs = nil
	_, all := l.evidence(func(oracle.Report) bool { return true })
	var broken *oracle.BrokenError
	require.ErrorAs(l.t, all.Err(), &broken)
	require.Len(l.t, broken.Report.Findings, 1)
	require.Equal(l.t, oracle.NothingLost, broken.Report.Findings[0].Invariant)
	told := 0
	for _, w := range l.workers {
		told += strings.Count(w.Output(), "had vanished")
	}
	require.Positive(l.t, told, "nobody has told of it")
}

// TestRedisVanishes, in parts or as a whole: the bus goes on, and tells of it.
func TestRedisVanishes(t *testing.T) {
	r, _ := alone(t, broker.Options{})
	got := &handled{}
	told := make(chan error, 100)
	bus := r.bus(r.raw, redisbus.Options{Options: eventbus.Options{Observer: reconnections(told)}})
	r.running(bus, eventbus.Subscriber{Handler: got})
	require.NoError(t, bus.Publish(t.Context(), anOrder("before")))
	require.Eventually(t, func() bool { return got.times()["before"] == 1 }, 10*time.Second, time.Millisecond)
	for name, f := range map[string]func() error{
		"FLUSHALL":      func() error { return r.raw.FlushAll(t.Context()).Err() },
		"DEL":           func() error { return r.raw.Del(t.Context(), r.stream()).Err() },
		"XGROUP":        func() error { return r.raw.XGroupDestroy(t.Context(), r.stream(), "shop.mailer").Err() },
		"SCRIPT FLUSH":  func() error { return r.raw.ScriptFlush(t.Context()).Err() },
		"own stream":    func() error { return r.raw.Del(t.Context(), r.stream()+":shop.mailer").Err() },
		"set of topics": func() error { return r.raw.Del(t.Context(), r.at.Prefix+":topics").Err() },
	} {
		require.NoError(t, f(), name)
		require.NoError(t, bus.Publish(t.Context(), anOrder(name)), name)
		require.Eventually(t, func() bool { return got.times()[name] >= 1 }, 10*time.Second, time.Millisecond, name)
	}
	require.Contains(t, r.log.String(), "had vanished")
	awaitReconnection(t, told, redisbus.ErrVanished)
}

// reconnections tells why there were some.
func reconnections(why chan<- error) eventbus.Observer {
	return eventbus.Observer{Reconnected: func(r eventbus.Reconnected) { why <- r.Err }}
}

// awaitReconnection waits for one for that reason.
func awaitReconnection(t *testing.T, told <-chan error, reason error) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case err := <-told:
			if errors.Is(err, reason) {
				return
			}
		case <-late:
			t.Fatalf("no reconnection tells of: %v", reason)
		}
	}
}
