package integration_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// secureKafka is a broker of one test that demands of each who asks what the listener is for.
type secureKafka struct {
	*testing.T
	node      *broker.Node
	authority *certified
	addr      map[string]string // by listener
	log       *lockedBuffer
}

// Listeners of it. Nothing is demanded at the open one, for who administers the broker.
const (
	openListener   = "OPEN"
	mutualListener = "MUTUAL" // TLS, with a certificate of the client
	secureListener = "SECURE" // SASL over TLS
	bareListener   = "BARE"   // SASL that everybody can read
)

var kafkaListeners = []struct{ name, protocol, inside string }{
	{openListener, "PLAINTEXT", "9092/tcp"},
	{mutualListener, "SSL", "9093/tcp"},
	{secureListener, "SASL_SSL", "9095/tcp"},
	{bareListener, "SASL_PLAINTEXT", "9096/tcp"},
}

// newSecureKafka starts it, with a user "shop" by each mechanism. The environment is added to its own.
func newSecureKafka(t *testing.T, env map[string]string) *secureKafka {
	t.Helper()
	k := &secureKafka{T: t, authority: certify(t, "authority", nil, time.Hour), addr: map[string]string{}, log: &lockedBuffer{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(k.log)
		}
	})
	ports, err := broker.FreePorts(len(kafkaListeners))
	require.NoError(t, err)
	spec := broker.Spec{
		Name: "Kafka that demands", Image: broker.Kafka.Image(), Ports: map[string]int{}, Files: k.certificates(),
		Ready: broker.Kafka.At(ports[0], 0).Ready, Env: kafkaSecurity(),
	}
	listeners, advertised, protocols := "CONTROLLER://0.0.0.0:9094", "", "CONTROLLER:PLAINTEXT"
	for i, l := range kafkaListeners {
		spec.Ports[l.inside] = ports[i]
		k.addr[l.name] = fmt.Sprintf("127.0.0.1:%d", ports[i])
		port, _, _ := strings.Cut(l.inside, "/")
		listeners += fmt.Sprintf(",%s://0.0.0.0:%s", l.name, port)
		advertised += fmt.Sprintf(",%s://%s", l.name, k.addr[l.name])
		protocols += "," + l.name + ":" + l.protocol
	}
	spec.Env["KAFKA_LISTENERS"], spec.Env["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"] = listeners, protocols
	spec.Env["KAFKA_ADVERTISED_LISTENERS"] = strings.TrimPrefix(advertised, ",")
	maps.Copy(spec.Env, env)
	k.node = broker.Run(t, spec)
	scramUser{t, k.addr[openListener]}.set(password)
	return k
}

const kafkaFiles = "/etc/kafka/secrets/"

// certificates are the broker's own, and the authority that it trusts.
func (k *secureKafka) certificates() []broker.File {
	cert, key := certify(k.T, "broker", k.authority, time.Hour).pem()
	trust, _ := k.authority.pem()
	return []broker.File{
		{Path: kafkaFiles + "broker.pem", Content: key + cert, Mode: 0o644},
		{Path: kafkaFiles + "authority.pem", Content: trust, Mode: 0o644},
	}
}

func kafkaSecurity() map[string]string {
	env := map[string]string{
		"KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller", "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094", "KAFKA_INTER_BROKER_LISTENER_NAME": openListener,
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1", "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0", "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
		"KAFKA_SSL_KEYSTORE_TYPE": "PEM", "KAFKA_SSL_KEYSTORE_LOCATION": kafkaFiles + "broker.pem",
		"KAFKA_SSL_TRUSTSTORE_TYPE": "PEM", "KAFKA_SSL_TRUSTSTORE_LOCATION": kafkaFiles + "authority.pem",
		"KAFKA_LISTENER_NAME_" + mutualListener + "_SSL_CLIENT_AUTH": "required",
		"KAFKA_SASL_ENABLED_MECHANISMS":                              "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
	}
	for _, l := range []string{secureListener, bareListener} {
		of := "KAFKA_LISTENER_NAME_" + l
		env[of+"_PLAIN_SASL_JAAS_CONFIG"] = `org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="` + password + `";`
		for _, hash := range []string{"256", "512"} {
			env[of+"_SCRAM___SHA___"+hash+"_SASL_JAAS_CONFIG"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		}
	}
	return env
}

// bus is one at the listener.
func (k *secureKafka) bus(t *testing.T, listener string, o kafkabus.Options) *kafkabus.Bus {
	t.Helper()
	o.Brokers, o.Group, o.Logger = []string{k.addr[listener]}, "shop", slog.New(slog.NewTextHandler(k.log, nil))
	o.Topics.Partitions, o.Session, o.DialTimeout = kafkaPartitions, kafkaSession, 3*time.Second
	bus, err := kafkabus.New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		_ = bus.Shutdown(ctx)
	})
	return bus
}

func shop(m kafkabus.Mechanism) kafkabus.SASL {
	return kafkabus.SASL{Mechanism: m, User: "shop", Password: password}
}
