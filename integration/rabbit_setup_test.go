package integration_test

import (
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

func TestRabbitSetupErrorsAreTyped(t *testing.T) {
	r, b := aloneRabbit(t)
	for _, cmd := range [][]string{
		{"add_user", "narrow", "geheim"}, {"set_permissions", "narrow", "^$", "", ""},
		{"add_user", "blind", "geheim"}, {"add_vhost", "other"},
	} {
		ctl(b, cmd...)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = silent.Close() }()
	redis := broker.Use(t, broker.Redis)
	for name, c := range map[string]struct {
		o    rabbitbus.Options
		want error
	}{
		"wrong password":          {rabbitbus.Options{User: "narrow", Password: "geheimer"}, rabbitbus.ErrCredentials},
		"unknown user":            {rabbitbus.Options{User: "nobody", Password: "geheim"}, rabbitbus.ErrCredentials},
		"unknown vhost":           {rabbitbus.Options{VHost: "missing"}, rabbitbus.ErrVHost},
		"vhost of others":         {rabbitbus.Options{User: "blind", Password: "geheim"}, rabbitbus.ErrVHost},
		"nothing may be made":     {rabbitbus.Options{User: "narrow", Password: "geheim"}, rabbitbus.ErrPermission},
		"Redis":                   {rabbitbus.Options{Addrs: []string{redis.Addr}}, rabbitbus.ErrNotAMQP},
		"nobody answers":          {rabbitbus.Options{Addrs: []string{silent.Addr().String()}}, rabbitbus.ErrNotAMQP},
		"TLS where there is none": {rabbitbus.Options{URL: "amqps://guest:geheim@" + b.Addr + "/"}, rabbitbus.ErrNotAMQP},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.DialTimeout = time.Second
			if c.o.URL == "" {
				c.o.URL = b.URL
			}
			bus := r.bus(c.o)
			begun := time.Now()
			for what, err := range map[string]error{
				"subscribe": second(bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})),
				"start":     bus.Start(t.Context()),
				"health":    bus.Health(t.Context()),
			} {
				if what == "health" && name == "nothing may be made" {
					continue // it only looks
				}
				require.ErrorIs(t, err, c.want, what)
				require.NotContains(t, err.Error(), "geheim", what)
			}
			require.Less(t, time.Since(begun), 10*time.Second, "within the dial time-out, each")
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestRabbitTellsWhatIsThereAndWhatShouldBe(t *testing.T) {
	r := sharedRabbit(t)
	require.NoError(t, r.do(func(ch *amqp.Channel) error {
		if err := ch.ExchangeDeclare(r.at.Prefix+"-x", "fanout", true, false, false, false, nil); err != nil {
			return err
		}
		_, err := ch.QueueDeclare(r.at.Prefix+".shop.mailer.0", true, false, false, false, nil)
		return err
	}))
	err := r.bus(rabbitbus.Options{Prefix: r.at.Prefix + "-x"}).Start(t.Context())
	require.ErrorIs(t, err, rabbitbus.ErrTopology)
	for _, want := range []string{r.at.Prefix + "-x", "'topic'", "'fanout'"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorIs(t, r.bus(rabbitbus.Options{Prefix: r.at.Prefix + "-x"}).Publish(t.Context(), anOrder("o-1")), rabbitbus.ErrTopology)
	_, err = r.bus(rabbitbus.Options{}).Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})
	require.ErrorIs(t, err, rabbitbus.ErrTopology)
	for _, want := range []string{"shop.mailer.0", "received the value 'reject-publish'", "current is none"} {
		require.ErrorContains(t, err, want)
	}
}

func TestRabbitMakesNothingWhenItIsPassive(t *testing.T) {
	r := sharedRabbit(t)
	passive := rabbitbus.Options{Passive: true}
	bus := r.bus(passive)
	require.ErrorIs(t, bus.Start(t.Context()), rabbitbus.ErrTopology)
	require.ErrorIs(t, bus.Publish(t.Context(), anOrder("o-1")), eventbus.ErrRefused)

	maker := r.bus(rabbitbus.Options{})
	r.subscribed(maker, eventbus.Subscriber{Handler: &handled{}})
	require.NoError(t, maker.Shutdown(t.Context()))
	var got handled
	bus = r.bus(passive)
	r.running(bus, eventbus.Subscriber{Handler: &got})
	require.NoError(t, bus.Publish(t.Context(), anOrder("o-2")))
	require.Eventually(t, func() bool { return got.times()["o-2"] == 1 }, 10*time.Second, time.Millisecond)
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "other", Events: []string{"order.*"}, Handler: &handled{}})
	require.ErrorIs(t, err, rabbitbus.ErrTopology)
}
