package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// TestRabbitErasesInSpiteOfInterruptions: an Erase whose connection is cut anywhere is taken up by
// the next one, which leaves nothing.
func TestRabbitErasesInSpiteOfInterruptions(t *testing.T) {
	t.Parallel()
	r, b := aloneRabbit(t)
	bus := r.bus(rabbitbus.Options{})
	r.running(bus, eventbus.Subscriber{
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			if e.ID == "letter" {
				return eventbus.Permanent(errFatal)
			}
			return errTransient
		}),
		Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 9, Min: time.Hour, Max: time.Hour},
	})
	r.subscribed(bus, eventbus.Subscriber{Name: "clerk", Handler: &handled{}})
	require.NoError(t, bus.Publish(t.Context(), anOrder("letter"), anOrder("later")))
	require.Eventually(t, func() bool {
		g, err := bus.Group(t.Context(), "shop.mailer")
		return err == nil && g.Letters == 1 && g.Delayed == 1
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, bus.Shutdown(t.Context()))

	interrupted := 0
	for writes := int64(1); ; writes += 3 {
		cut := &cutter{after: writes}
		eraser := r.bus(rabbitbus.Options{Dial: cut.dial, DialTimeout: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := eraser.Erase(ctx)
		cancel()
		require.NoError(t, eraser.Shutdown(t.Context()))
		if err == nil {
			break
		}
		interrupted++
		require.Less(t, interrupted, 200)
	}
	require.Greater(t, interrupted, 10)
	for _, what := range []string{"list_queues", "list_exchanges"} {
		for _, name := range strings.Fields(b.Exec("rabbitmqctl", "-q", what, "name")) {
			require.False(t, strings.HasPrefix(name, r.at.Prefix), "%s: %s is left", what, name)
		}
	}
}

// TestRabbitKnowsEachGroupThatHasAQueue: wherever a Subscribe is cut off, the queue that it may have
// made is one of a group that is listed, and so can be deleted.
func TestRabbitKnowsEachGroupThatHasAQueue(t *testing.T) {
	r := sharedRabbit(t)
	made := 0
	for writes := int64(2); ; writes += 2 {
		prefix := fmt.Sprintf("%s-%d", r.at.Prefix, writes)
		cut := &cutter{after: writes}
		bus := r.bus(rabbitbus.Options{Prefix: prefix, Dial: cut.dial, DialTimeout: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})
		cancel()
		require.NoError(t, bus.Shutdown(t.Context()))
		there := r.do(func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(prefix+".shop.mailer.0", true, false, false, false, nil)
			return err
		}) == nil
		if there {
			made++
			groups, err := r.bus(rabbitbus.Options{Prefix: prefix}).Groups(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"shop.mailer"}, groups, writes)
		}
		if err == nil {
			require.True(t, there)
			break
		}
		require.Less(t, writes, int64(200))
	}
	require.Greater(t, made, 2, "it was cut off behind that too")
}
