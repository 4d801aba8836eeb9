package integration_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// A backlog that one answer of the broker does not hold, so that some partitions come back empty though
// there is something in them, is handled whole.
func TestKafkaHasALargeBacklog(t *testing.T) {
	const events, size = 200, 150 << 10
	at := broker.Use(t, broker.Kafka)
	bus, err := kafkabus.New(kafkabus.Options{
		Options: eventbus.Options{Group: "shop", Source: "/ours"}, Brokers: strings.Split(at.URL, ","), Prefix: at.Prefix,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, bus.Shutdown(context.WithoutCancel(t.Context()))) }()
	require.NoError(t, bus.Start(t.Context()))
	missing := map[string]bool{}
	for i := range events {
		e := eventbus.NewRaw("order.created", "order-"+strconv.Itoa(i), "text/plain", []byte(strings.Repeat("x", size)))
		e.ID = strconv.Itoa(i)
		require.NoError(t, bus.Publish(t.Context(), e))
		missing[e.ID] = true
	}

	handled := make(chan string, events)
	_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{
		Name: "late", Events: []string{"order.#"}, From: eventbus.Beginning(),
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			handled <- e.ID
			return nil
		}),
	})
	require.NoError(t, err)
	for late := time.After(time.Minute); len(missing) > 0; {
		select {
		case id := <-handled:
			delete(missing, id)
		case <-late:
			require.Empty(t, missing, "not handled")
		}
	}
}
