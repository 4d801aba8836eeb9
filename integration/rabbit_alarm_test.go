package integration_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// TestRabbitIsShortOfDiskUnderLoad: what is published is refused at once, what was is handled, and
// a process ends in its time. When there is room again the rest goes on by itself.
func TestRabbitIsShortOfDiskUnderLoad(t *testing.T) {
	t.Parallel()
	b := broker.Start(t, broker.RabbitMQ, broker.Options{})
	l := newLoad(t, b.Server, loadOptions{events: 5000, pace: 20 * time.Millisecond})
	l.serve()
	l.serve()
	l.publish()
	l.until(40)
	to := l.written.Publisher(l.bus)
	began := time.Now()
	l.through(func() {
		l.fault(func() { ctl(b, "set_disk_free_limit", "1000GB") })
		require.Eventually(t, func() bool {
			asked := time.Now()
			err := to.Publish(t.Context(), anOrder("refused"))
			require.Less(t, time.Since(asked), 3*time.Second, "it fails fast, or after the moment that what is under way has")
			return errors.Is(err, rabbitbus.ErrBlocked)
		}, 10*time.Second, 10*time.Millisecond)
		l.soon("what was published is handled", func() bool { return l.backlog() == 0 })
		stopped := time.Now()
		_ = l.workers[0].Stop() // with what it could not bury meanwhile
		require.Less(t, time.Since(stopped), loadGrace+2*time.Second)
		l.lasts(scaled(15*time.Second) - time.Since(began))
		ctl(b, "set_disk_free_limit", "50MB") // which is the default
		l.serve()
	})
	require.NoError(t, l.judge().Err())
	l.stop()
}
