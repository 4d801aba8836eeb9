package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// A broker that was away for longer than a session waits, when it is back, for no member that is gone: it
// would for a session more.
func TestKafkaIsAwayForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("a session is 15 s here: a bus that has waited for long asks again after 5 s")
	}
	const session = 15 * time.Second
	b := broker.Start(t, broker.Kafka, broker.Options{})
	handled := make(chan string, 100)
	bus, err := kafkabus.New(kafkabus.Options{
		Options: eventbus.Options{Group: "shop", Source: "/ours"}, Brokers: []string{b.Addr}, Session: session,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, bus.Shutdown(context.WithoutCancel(t.Context()))) }()
	_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{
		Name: "reader", Events: []string{"order.#"},
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			handled <- e.ID
			return nil
		}),
	})
	require.NoError(t, err)
	require.NoError(t, bus.Start(t.Context()))
	publish := func(id string) error {
		e := eventbus.NewRaw("order.created", "order-1", "text/plain", []byte("x"))
		e.ID = id
		return bus.Publish(t.Context(), e)
	}
	require.NoError(t, publish("before"))
	require.Equal(t, "before", <-handled)

	b.Kill()
	killed := time.Now()
	require.Eventually(t, func() bool { return time.Since(killed) > session+time.Second }, time.Minute, 100*time.Millisecond)
	b.Start()
	back := time.Now()
	require.Eventually(t, func() bool { return publish("after") == nil }, time.Minute, 10*time.Millisecond)
	require.Equal(t, "after", <-handled)
	require.Less(t, time.Since(back), session*3/4)
}
