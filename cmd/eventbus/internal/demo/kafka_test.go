package demo

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

func TestKafkaURLs(t *testing.T) {
	user := func(m kafkabus.Mechanism) kafkabus.SASL {
		return kafkabus.SASL{Mechanism: m, User: "shop", Password: "a:b@c/d?"}
	}
	for url, want := range map[string]struct {
		brokers []string
		sasl    kafkabus.SASL
		tls     bool
	}{
		"kafka://a:9092":                                         {brokers: []string{"a:9092"}},
		"kafka://a:9092,b:9093/?tls=false":                       {brokers: []string{"a:9092", "b:9093"}},
		"kafka://[::1]:9092?tls=true":                            {brokers: []string{"[::1]:9092"}, tls: true},
		"kafka://shop:a%3Ab%40c%2Fd%3F@a:1,b:2":                  {[]string{"a:1", "b:2"}, user(kafkabus.SCRAM256), false},
		"kafka://shop:a%3Ab%40c%2Fd%3F@a:1?sasl=scram-sha-512":   {[]string{"a:1"}, user(kafkabus.SCRAM512), false},
		"kafka://shop:a%3Ab%40c%2Fd%3F@a:1?tls=true&sasl=plain":  {[]string{"a:1"}, user(kafkabus.Plain), true},
		"kafka://shop:a%3Ab%40c%2Fd%3F@a:1/?sasl=scram-sha-256&": {[]string{"a:1"}, user(kafkabus.SCRAM256), false},
	} {
		o, err := parseKafka(url)
		require.NoError(t, err, url)
		require.Equal(t, want.brokers, o.Brokers, url)
		require.Equal(t, want.sasl, o.SASL, url)
		require.Equal(t, want.tls, o.TLS != nil, url)
	}
}

func TestWrongKafkaURLs(t *testing.T) {
	for _, url := range []string{
		"kafka:", "kafka:a:1", "kafka://", "kafka://a", "kafka://a:", "kafka://:1", "kafka://a:1,", "kafka://a:1,b",
		"kafka://a:1/geheim", "kafka://a:1#geheim", "kafka://@a:1", "kafka://shop@a:1", "kafka://shop:@a:1", "kafka://:geheim@a:1",
		"kafka://shop:geheim%@a:1", "kafka://shop:geheim@a", "kafka://shop:geh/eim@a", "kafka://shop:geheim%00@a:1",
		"kafka://a:1?sasl=plain", "kafka://shop:geheim@a:1?sasl=geheim", "kafka://a:1?tls=geheim", "kafka://a:1?geheim=1", "kafka://a:1?%zz",
	} {
		_, err := OpenURL(url)
		require.ErrorIs(t, err, errKafkaURL, url)
		require.NotContains(t, err.Error(), "geheim")
	}
	_, err := OpenURL("kafka://shop:geheim@a:1?sasl=plain")
	require.EqualError(t, err, "with sasl=plain sends the password as it is: add tls=true")
}

func TestNoKafkaIsThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	open, err := OpenURL("kafka://shop:falsch@" + l.Addr().String())
	require.NoError(t, err)
	_, err = open(eventbus.Options{Group: "demo"})
	require.ErrorContains(t, err, "the Kafka of --bus does not answer; start it, or give another address")
	require.NotContains(t, err.Error(), "falsch")
}
