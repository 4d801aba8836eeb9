package integration_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// TestKafkaSecurely: whatever a broker demands, everything that the bus does is done with it.
func TestKafkaSecurely(t *testing.T) {
	k := newSecureKafka(t, nil)
	encrypted := (*certified)(nil).client(k.authority)
	for name, c := range map[string]struct {
		listener string
		o        kafkabus.Options
	}{
		"a certificate":            {mutualListener, kafkabus.Options{TLS: certify(t, "shop", k.authority, time.Hour).client(k.authority)}},
		"PLAIN":                    {secureListener, kafkabus.Options{TLS: encrypted, SASL: shop(kafkabus.Plain)}},
		"SCRAM-SHA-256":            {secureListener, kafkabus.Options{TLS: encrypted, SASL: shop(kafkabus.SCRAM256)}},
		"SCRAM-SHA-512":            {secureListener, kafkabus.Options{TLS: encrypted, SASL: shop(kafkabus.SCRAM512)}},
		"PLAIN without TLS":        {bareListener, kafkabus.Options{SASL: kafkabus.SASL{Mechanism: kafkabus.Plain, User: "shop", Password: password, Unencrypted: true}}},
		"SCRAM-SHA-256 in the air": {bareListener, kafkabus.Options{SASL: shop(kafkabus.SCRAM256)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.o.Prefix = "own-" + c.listener + string(c.o.SASL.Mechanism)
			works(t, k.bus(t, c.listener, c.o))
		})
	}
}

// works does everything once: an event is handled at the second attempt, after a retry that went through the
// broker; another is buried, listed, replayed and handled.
func works(t *testing.T, bus *kafkabus.Bus) {
	t.Helper()
	got, buried := &handled{}, &handled{}
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{
		Name: "mailer", Events: []string{"order.*"}, Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 3, Min: 10 * time.Millisecond},
		Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
			_ = got.Handle(ctx, e)
			if first := got.times()[e.ID] == 1; first && e.ID == "bad" {
				return eventbus.Permanent(errors.New("not yet"))
			} else if first {
				return errors.New("not yet")
			}
			return buried.Handle(ctx, e)
		}),
	})
	require.NoError(t, err)
	require.NoError(t, bus.Start(t.Context()))
	require.NoError(t, bus.Publish(t.Context(), anOrder("good"), anOrder("bad")))
	const soon, often = 20 * time.Second, 10 * time.Millisecond
	require.Eventually(t, func() bool { return got.times()["good"] == 2 && got.times()["bad"] == 1 }, soon, often)
	var letters []dlq.Letter
	require.Eventually(t, func() bool {
		page, err := bus.DeadLetters().Page(t.Context(), dlq.Filter{}, "", 10)
		require.NoError(t, err)
		letters = page.Letters
		return len(letters) == 1
	}, soon, often)
	require.Equal(t, "bad", letters[0].EventID)
	require.NoError(t, bus.DeadLetters().ReplayOne(t.Context(), letters[0].ID, dlq.ReplayOptions{}))
	require.Eventually(t, func() bool { return got.times()["bad"] == 2 }, soon, often)
	require.NoError(t, bus.Health(t.Context()))
	require.NoError(t, bus.Shutdown(t.Context()))
}

// TestKafkaForgetsWhoAsks: a broker that believes who asks for a few seconds only stops nothing, and nobody
// notices.
func TestKafkaForgetsWhoAsks(t *testing.T) {
	k := newSecureKafka(t, map[string]string{"KAFKA_CONNECTIONS_MAX_REAUTH_MS": "2000"})
	bus := k.bus(t, bareListener, kafkabus.Options{SASL: shop(kafkabus.SCRAM256), Prefix: "own"})
	got := &handled{}
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: got})
	require.NoError(t, err)
	require.NoError(t, bus.Start(t.Context()))
	published := 0
	for began := time.Now(); time.Since(began) < 7*time.Second; published++ {
		require.NoError(t, bus.Publish(t.Context(), anOrder(strconv.Itoa(published))))
		<-time.After(20 * time.Millisecond)
	}
	require.Eventually(t, func() bool { return len(got.times()) == published }, 20*time.Second, 10*time.Millisecond)
	for id, n := range got.times() {
		require.Equal(t, 1, n, id)
	}
	require.NoError(t, bus.Health(t.Context()))
	require.NotContains(t, k.log.String(), kafkabus.ErrCredentials.Error())
}
