package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

// row is a fault and the load that it happens under. In the short form there is a fifth
// of the load.
type row struct {
	name    string
	options loadOptions
	proxied bool // subscribers and publishers go through the proxy
	run     func(l *load, b *broker.Broker)
}

// rows are those of which every backend is held to the same: nothing accepted is lost,
// the order of each aggregate in each process, repeats within the bound, nothing invented, no
// letter that the handler did not ask for; every Publish ends in its time, and the bus works
// again soon.
var rows = []row{
	{"BrokerKilled", loadOptions{events: 20_000}, false, func(l *load, b *broker.Broker) {
		for _, percent := range []int{20, 50, 80} {
			l.until(percent)
			l.through(func() {
				l.fault(b.Kill)
				l.lasts(scaled(2 * time.Second))
				b.Start()
			})
		}
	}},
	{"BrokerPaused", loadOptions{events: 10_000}, false, func(l *load, b *broker.Broker) {
		l.until(40)
		l.fault(b.Pause)
		l.lasts(scaled(20 * time.Second))
		b.Unpause()
		l.healed()
	}},
	{"ConnectionsReset", loadOptions{events: 20_000}, true, func(l *load, b *broker.Broker) {
		for percent := 10; percent < 100; percent += 10 {
			l.until(percent)
			l.fault(b.Proxy().Reset)
		}
	}},
	{"ConnectionsCut", loadOptions{events: 10_000}, true, func(l *load, b *broker.Broker) {
		for _, percent := range []int{30, 70} {
			l.until(percent)
			l.through(func() {
				l.fault(b.Proxy().Cut)
				l.lasts(time.Second)
				b.Proxy().Heal()
			})
		}
	}},
	{"HalfOpen", loadOptions{events: 5_000}, true, func(l *load, b *broker.Broker) {
		l.until(40)
		l.fault(b.Proxy().Freeze)
		l.lasts(scaled(15 * time.Second))
		b.Proxy().Heal()
		l.healed()
	}},
	{"HalfOpenAtTheEnd", loadOptions{events: 2_000}, true, func(l *load, b *broker.Broker) {
		l.until(40)
		l.fault(b.Proxy().Freeze)
		began := time.Now()
		_ = l.workers[0].Stop() // with what it could not acknowledge
		require.Less(l.t, time.Since(began), loadGrace+2*time.Second)
		b.Proxy().Heal()
		l.serve()
	}},
	{"Latency", loadOptions{events: 5_000, lease: 30 * time.Second}, true, func(l *load, b *broker.Broker) {
		l.until(20)
		l.slow(20*time.Second, func() { b.Proxy().Delay(300*time.Millisecond, 200*time.Millisecond) })
		l.slow(40*time.Second, func() { b.Proxy().Delay(1500*time.Millisecond, 0) }) // each way
		b.Proxy().Heal()
		l.healed()
	}},
	{"Bandwidth", loadOptions{events: 5_000, size: 8 << 10, lease: 30 * time.Second}, true, func(l *load, b *broker.Broker) {
		l.until(20)
		l.slow(40*time.Second, func() { b.Proxy().Throttle(64 << 10) })
		for _, w := range l.workers {
			require.Less(l.t, mostMemory(l.t, w.PID()), 200<<20)
		}
		b.Proxy().Heal()
		l.healed()
	}},
	{"ConsumersKilled", loadOptions{events: 20_000, pace: 40 * time.Millisecond}, false, func(l *load, _ *broker.Broker) {
		for range scaledTimes(10) {
			l.lasts(scaled(500*time.Millisecond + rand.N(2500*time.Millisecond)))
			l.fault(l.workers[len(l.workers)-1].Kill)
			l.serve()
		}
	}},
	{"UpAndDown", loadOptions{events: 20_000, lease: 3 * time.Second}, false, func(l *load, _ *broker.Broker) {
		l.until(30)
		l.serve()
		l.until(60)
		l.cut(func() { require.NoError(l.t, l.workers[0].Stop()) })
		l.until(80)
		l.fault(l.workers[1].Kill)
		require.NoError(l.t, l.judge().Err())
		l.handledOnlyBy(l.paths[0])
	}},
}

// inMemory is how long RabbitMQ keeps in memory alone that there is a new quorum queue, or its
// first stream: a node that is killed before never finds them again; see docs/rabbitmq.md.
const inMemory = 2 * time.Second

func TestFaults(t *testing.T) {
	for _, k := range broker.Kinds() {
		for _, row := range rows {
			t.Run(k.String()+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				b := broker.Start(t, k, broker.Options{})
				server := b.Server
				if row.proxied {
					server = b.Proxied()
				}
				l := newLoad(t, server, row.options)
				l.serve()
				l.serve()
				if k == broker.RabbitMQ {
					l.lasts(inMemory)
				}
				l.publish()
				row.run(l, b)
				require.NoError(t, l.judge().Err())
				l.stop()
			})
		}
	}
}

func scaled(d time.Duration) time.Duration {
	if testing.Short() {
		return d / 5
	}
	return d
}

// scaledTimes is how often something happens.
func scaledTimes(n int) int {
	if testing.Short() {
		return max(n/3, 2)
	}
	return n
}

// slow makes the lines slow for d, in which the bus works all the same.
func (l *load) slow(d time.Duration, f func()) {
	l.fault(f)
	began := time.Now()
	l.lasts(scaled(d))
	l.works(began)
}

// mostMemory is the largest that a process ever was, in bytes.
func mostMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	require.True(t, ok)
	var kib int
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(t, err)
	return kib << 10
}

// handledOnlyBy: what the process with that journal has handled nobody else has. It was
// stopped in good order, and has acknowledged all of it.
func (l *load) handledOnlyBy(path string) {
	l.t.Helper()
	its, err := journal.Read(path)
	require.NoError(l.t, err)
	all, err := journal.Read(l.paths...)
	require.NoError(l.t, err)
	times := map[string]int{}
	for i := range all.Records {
		if r := &all.Records[i]; r.What == journal.Handled {
			times[r.EventID]++
		}
	}
	for i := range its.Records {
		if r := &its.Records[i]; r.What == journal.Handled {
			require.Equal(l.t, 1, times[r.EventID], r.EventID)
		}
	}
}
