package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// kafkaRig is a space on the shared broker.
type kafkaRig struct {
	*testing.T
	*kafkaSpace
}

func newKafkaRig(t *testing.T) *kafkaRig {
	s := &kafkaSpace{at: broker.Use(t, broker.Kafka), lines: map[eventbus.EventBus]*line{}}
	s.proxy = fault.NewProxy(t, fault.Options{Upstream: s.at.Addr})
	return &kafkaRig{t, s}
}

// bus makes one, with what the options of the suite leave open.
func (r *kafkaRig) bus(o kafkabus.Options) *kafkabus.Bus {
	r.Helper()
	o.Brokers, o.Prefix, o.Session, o.Heartbeat = []string{r.at.Addr}, r.at.Prefix, kafkaSession, 100*time.Millisecond
	o.Group = "shop"
	bus, err := kafkabus.New(o)
	require.NoError(r, err)
	r.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 20*time.Second)
		defer cancel()
		require.NoError(r, bus.Shutdown(ctx))
	})
	return bus
}

// An answer of the broker has a limit, and partitions that have no room in it stand there with nothing:
// that is not the end of what they hold, and nothing of them may be passed over.
func TestKafkaPassesOverNothingWhereAnswersAreFull(t *testing.T) {
	r := newKafkaRig(t)
	const partitions, perPartition, size = 24, 16, 100 << 10
	bus := r.bus(kafkabus.Options{Options: eventbus.Options{MaxBytes: 4 << 20}, Topics: kafkabus.Topics{Partitions: partitions}})
	n := 0
	publish := func(size, times int) {
		for i := range partitions * times {
			e := eventbus.NewRaw("order.created", fmt.Sprint("a", i%(partitions*4)), "application/octet-stream", payload(i, size))
			require.NoError(t, bus.Publish(t.Context(), e))
			n++
		}
	}
	publish(size, perPartition)
	publish(3<<20, 1) // larger than what is asked for of a partition
	got := &handled{}
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.#"}, Handler: got})
	require.NoError(t, err)
	require.NoError(t, bus.Start(t.Context()))
	require.Eventually(t, func() bool { return len(got.times()) == n }, time.Minute, 10*time.Millisecond)
	for id, times := range got.times() {
		require.Equal(t, 1, times, id)
	}
}

// Where a group begins is settled when it is new: what comes while none of it runs is not passed over, be it in
// a topic that is new too.
func TestKafkaBeginsNowOnlyOnce(t *testing.T) {
	r := newKafkaRig(t)
	publisher := r.bus(kafkabus.Options{})
	publish := func(of, id string) {
		require.NoError(t, publisher.Publish(t.Context(), eventbus.NewRaw(of+".created", "a", "text/plain", []byte("x")).WithID(id)))
	}
	got := &handled{}
	run := func(until func() bool) {
		bus := r.bus(kafkabus.Options{})
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, From: eventbus.Now(), Handler: got})
		require.NoError(t, err)
		require.NoError(t, bus.Start(t.Context()))
		require.Eventually(t, until, 30*time.Second, 10*time.Millisecond)
		require.NoError(t, bus.Shutdown(t.Context()))
	}
	publish("order", "past")
	run(func() bool {
		publish("order", fmt.Sprint("order-", time.Now().UnixNano()))
		return len(got.times()) > 0
	})
	publish("invoice", "meanwhile")
	run(func() bool { return got.times()["meanwhile"] == 1 })
	require.Zero(t, got.times()["past"])
}
