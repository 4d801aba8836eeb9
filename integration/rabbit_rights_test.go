package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// The rights that docs/rabbitmq.md names are enough.
func TestRabbitRights(t *testing.T) {
	r, b := aloneRabbit(t)
	user := func(name, configure, write, read string) rabbitbus.Options {
		ctl(b, "add_user", name, "secret")
		ctl(b, "set_permissions", name, configure, write, read)
		return rabbitbus.Options{User: name, Password: "secret"}
	}
	var got handled
	failed := false
	consumer := r.bus(user("consumer", `^own(\..*)?$`, `^(own(\..*)?|amq\.default)$`, `^own(\..*)?$`))
	r.running(consumer, eventbus.Subscriber{Unordered: true, Retry: eventbus.RetryPolicy{Attempts: 2, Min: time.Millisecond}, Handler: eventbus.HandlerFunc(
		func(ctx context.Context, e eventbus.DomainEvent) error {
			if !failed {
				failed = true
				return errors.New("once")
			}
			return got.Handle(ctx, e)
		})})
	producer := user("producer", `^$`, `^own$`, `^$`)
	producer.Passive = true
	require.NoError(t, r.bus(producer).Publish(t.Context(), anOrder("o-1")))
	require.Eventually(t, func() bool { return got.times()["o-1"] == 1 }, 20*time.Second, time.Millisecond)

	require.ErrorIs(t, r.bus(user("reader", `^$`, `^$`, `^own`)).Publish(t.Context(), anOrder("o-2")), rabbitbus.ErrPermission)
	reader := rabbitbus.Options{User: "reader", Password: "secret", Passive: true}
	err := r.bus(reader).Publish(t.Context(), anOrder("o-2"))
	require.ErrorIs(t, err, rabbitbus.ErrPermission)
	require.ErrorIs(t, err, eventbus.ErrRefused)

	admin, _ := eventbus.As[eventbus.Admin](r.bus(rabbitbus.Options{User: "consumer", Password: "secret"}))
	groups, err := admin.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"shop.mailer"}, groups)
	require.NoError(t, consumer.Shutdown(t.Context()))
	require.NoError(t, admin.DeleteGroup(t.Context(), "shop.mailer"))
}

func ctl(b *broker.Broker, args ...string) { b.Exec(append([]string{"rabbitmqctl"}, args...)...) }
