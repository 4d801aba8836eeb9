package integration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
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
// the order of each aggregate in each process, repeats within the bound, nothing invented.
var rows = []row{
	{"BrokerKilled", loadOptions{events: 20_000, size: 1024}, false, func(l *load, b *broker.Broker) {
		l.serve()
		l.serve()
		for _, percent := range []int{20, 50, 80} {
			l.until(percent)
			l.fault(b.Kill)
			b.Start()
		}
	}},
	{"BrokerPaused", loadOptions{events: 10_000, size: 1024}, false, func(l *load, b *broker.Broker) {
		l.serve()
		l.until(40)
		l.fault(b.Pause)
		l.lasts(scaled(20 * time.Second))
		b.Unpause()
	}},
	{"ConnectionsReset", loadOptions{events: 20_000, size: 1024}, true, func(l *load, b *broker.Broker) {
		l.serve()
		for percent := 10; percent < 100; percent += 10 {
			l.until(percent)
			l.fault(b.Proxy().Reset)
		}
	}},
	{"ConnectionsCut", loadOptions{events: 10_000, size: 1024}, true, func(l *load, b *broker.Broker) {
		l.serve()
		for _, percent := range []int{30, 70} {
			l.until(percent)
			l.fault(b.Proxy().Cut)
			l.lasts(time.Second)
			b.Proxy().Heal()
		}
	}},
	{"HalfOpen", loadOptions{events: 5_000, size: 1024}, true, func(l *load, b *broker.Broker) {
		l.serve()
		l.until(40)
		l.fault(b.Proxy().Freeze)
		l.lasts(scaled(15 * time.Second))
		b.Proxy().Heal()
	}},
	{"Latency", loadOptions{events: 5_000, size: 256}, true, func(l *load, b *broker.Broker) {
		l.serve()
		l.until(20)
		l.fault(func() { b.Proxy().Delay(300*time.Millisecond, 200*time.Millisecond) })
		l.until(60)
		b.Proxy().Heal()
	}},
	{"Bandwidth", loadOptions{events: 2_500, size: 8 << 10}, true, func(l *load, b *broker.Broker) {
		l.serve()
		l.until(20)
		l.fault(func() { b.Proxy().Throttle(256 << 10) })
		l.until(40)
		b.Proxy().Heal()
	}},
	{"ConsumersKilled", loadOptions{events: 20_000, size: 1024}, false, func(l *load, _ *broker.Broker) {
		l.serve()
		for i := range 5 {
			victim := l.serve()
			l.until((i + 1) * 16)
			l.fault(victim.Kill)
		}
	}},
	{"UpAndDown", loadOptions{events: 20_000, size: 1024}, false, func(l *load, _ *broker.Broker) {
		first := l.serve()
		l.until(30)
		second := l.serve()
		l.until(60)
		require.NoError(l.t, first.Stop())
		third := l.serve()
		l.until(80)
		l.fault(second.Kill)
		_ = third
	}},
}

func TestFaults(t *testing.T) {
	for _, k := range []broker.Kind{broker.Redis} {
		for _, row := range rows {
			t.Run(k.String()+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				b := broker.Start(t, k, broker.Options{})
				server := b.Server
				if row.proxied {
					server = b.Proxied()
				}
				l := newLoad(t, server, row.options)
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

// stop ends the processes that still run, in good order.
func (l *load) stop() {
	l.t.Helper()
	for _, w := range l.workers {
		select {
		case <-w.Done():
		default:
			require.NoError(l.t, w.Stop())
		}
	}
}
