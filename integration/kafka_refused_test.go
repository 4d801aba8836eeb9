package integration_test

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// TestKafkaIsNotLetIn: who is not let in is told why by whatever is called, soon, and does not beset the
// broker.
func TestKafkaIsNotLetIn(t *testing.T) {
	k := newSecureKafka(t, nil)
	stranger := certify(t, "authority", nil, time.Hour)
	encrypted := (*certified)(nil).client(k.authority)
	wrong := func(m kafkabus.Mechanism) kafkabus.SASL {
		return kafkabus.SASL{Mechanism: m, User: "shop", Password: password + "er", Unencrypted: true}
	}
	for name, c := range map[string]struct {
		listener string
		o        kafkabus.Options
		text     string // beside ErrCredentials, if credentials are wrong
		wrong    bool
	}{
		"a wrong password, PLAIN":          {secureListener, kafkabus.Options{TLS: encrypted, SASL: wrong(kafkabus.Plain)}, "Invalid username or password", true},
		"a wrong password, SCRAM-SHA-256":  {secureListener, kafkabus.Options{TLS: encrypted, SASL: wrong(kafkabus.SCRAM256)}, "invalid credentials", true},
		"a wrong password, SCRAM-SHA-512":  {secureListener, kafkabus.Options{TLS: encrypted, SASL: wrong(kafkabus.SCRAM512)}, "invalid credentials", true},
		"a wrong password without TLS":     {bareListener, kafkabus.Options{SASL: wrong(kafkabus.Plain)}, "Invalid username or password", true},
		"no user":                          {bareListener, kafkabus.Options{}, "set Options.SASL", true},
		"no user, with TLS":                {secureListener, kafkabus.Options{TLS: encrypted}, "set Options.SASL", true},
		"a user where none is wanted":      {openListener, kafkabus.Options{SASL: wrong(kafkabus.SCRAM256)}, "SASL", true},
		"no certificate":                   {mutualListener, kafkabus.Options{TLS: encrypted}, "certificate (Options.TLS.Certificates)", false},
		"a certificate of strangers":       {mutualListener, kafkabus.Options{TLS: stranger.client(k.authority)}, "certificate (Options.TLS.Certificates)", false},
		"a certificate of the past":        {mutualListener, kafkabus.Options{TLS: certify(t, "shop", k.authority, -time.Minute).client(k.authority)}, "certificate (Options.TLS.Certificates)", false},
		"a server that is a stranger":      {secureListener, kafkabus.Options{TLS: &tls.Config{}, SASL: wrong(kafkabus.Plain)}, "certificate signed by unknown authority", false},
		"a server of another name":         {secureListener, kafkabus.Options{TLS: &tls.Config{RootCAs: encrypted.RootCAs, ServerName: "kafka.example.com"}, SASL: wrong(kafkabus.Plain)}, "kafka.example.com", false},
		"no TLS":                           {mutualListener, kafkabus.Options{}, "speaks TLS", false},
		"SASL without the TLS it is under": {secureListener, kafkabus.Options{SASL: wrong(kafkabus.SCRAM256)}, "speaks TLS", false},
		"TLS where there is none":          {openListener, kafkabus.Options{TLS: encrypted}, "does not speak TLS", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dials := &dials{}
			c.o.Prefix, c.o.Dial = "own", dials.dial
			bus := k.bus(t, c.listener, c.o)
			said := refusals(t, bus)
			for what, err := range said {
				require.ErrorContains(t, err, c.text, what)
				require.NotContains(t, err.Error(), password+"er", what)
				if c.wrong {
					require.ErrorIs(t, err, kafkabus.ErrCredentials, what)
				}
			}
			require.ErrorIs(t, said["publish"], eventbus.ErrRefused)
			dials.areRare(t)
		})
	}
	require.NotContains(t, k.log.String(), password+"er")
}

// refusals is what each call says, within 10 s.
func refusals(t *testing.T, bus *kafkabus.Bus) map[string]error {
	t.Helper()
	said := map[string]error{}
	for what, call := range map[string]func(ctx context.Context) error{
		"subscribe": func(ctx context.Context) error {
			return second(bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}}))
		},
		"start":   bus.Start,
		"publish": func(ctx context.Context) error { return bus.Publish(ctx, anOrder("refused")) },
		"health":  bus.Health,
		"letters": func(ctx context.Context) error {
			_, err := bus.DeadLetters().Count(ctx, dlq.Filter{})
			return err
		},
	} {
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		said[what] = call(ctx)
		cancel()
		require.Error(t, said[what], what)
		require.Less(t, time.Since(begun), 10*time.Second, what)
	}
	return said
}

// dials counts the connections that are made.
type dials struct{ n atomic.Int64 }

func (d *dials) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.n.Add(1)
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// areRare: whoever is not let in tries less than once a second.
func (d *dials) areRare(t *testing.T) {
	t.Helper()
	const seconds = 4
	before := d.n.Load()
	<-time.After(seconds * time.Second)
	require.Less(t, d.n.Load()-before, int64(seconds))
}
