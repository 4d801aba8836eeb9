package integration_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/kafkabus"
)

// scramUser is the user "shop" of a Kafka that is administered at the address. What changes is found out by
// those who connect: a connection that stands stays.
type scramUser struct {
	*testing.T
	addr string
}

// set makes the user, or gives it another password.
func (u scramUser) set(to string) {
	u.Helper()
	const iterations, salt = 4096, "salt"
	short, err := pbkdf2.Key(sha256.New, to, []byte(salt), iterations, sha256.Size)
	require.NoError(u, err)
	long, err := pbkdf2.Key(sha512.New, to, []byte(salt), iterations, sha512.Size)
	require.NoError(u, err)
	for mechanism, salted := range map[kafka.ScramMechanism][]byte{kafka.ScramMechanismSha256: short, kafka.ScramMechanismSha512: long} {
		u.alter(&kafka.AlterUserScramCredentialsRequest{Upsertions: []kafka.UserScramCredentialsUpsertion{
			{Name: "shop", Mechanism: mechanism, Iterations: iterations, Salt: []byte(salt), SaltedPassword: salted},
		}})
	}
}

// drop lets the user in no more.
func (u scramUser) drop() {
	u.Helper()
	for _, mechanism := range []kafka.ScramMechanism{kafka.ScramMechanismSha256, kafka.ScramMechanismSha512} {
		u.alter(&kafka.AlterUserScramCredentialsRequest{Deletions: []kafka.UserScramCredentialsDeletion{{Name: "shop", Mechanism: mechanism}}})
	}
}

// alter changes one mechanism: a broker takes no user twice in a request.
func (u scramUser) alter(request *kafka.AlterUserScramCredentialsRequest) {
	u.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(u.addr), Transport: transport}
	ctx, cancel := context.WithTimeout(u.Context(), 20*time.Second)
	defer cancel()
	done, err := c.AlterUserScramCredentials(ctx, request)
	require.NoError(u, err)
	for _, r := range done.Results {
		require.NoError(u, r.Error)
	}
}

// demandingKafka has the clients of the proxy say who they are.
var demandingKafka = map[string]string{
	"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":                           "PLAINTEXT:PLAINTEXT,PROXIED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,WITHIN:PLAINTEXT",
	"KAFKA_SASL_ENABLED_MECHANISMS":                                  "SCRAM-SHA-256",
	"KAFKA_LISTENER_NAME_PROXIED_SCRAM___SHA___256_SASL_JAAS_CONFIG": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
}

// kafkaURL is a list of brokers, with the user and the password before it, if one has to say who asks.
func kafkaURL(url string) (brokers []string, who kafkabus.SASL) {
	if user, rest, ok := strings.Cut(url, "@"); ok {
		name, secret, _ := strings.Cut(strings.TrimPrefix(user, "kafka://"), ":")
		url, who = rest, kafkabus.SASL{Mechanism: kafkabus.SCRAM256, User: name, Password: secret}
	}
	return strings.Split(url, ","), who
}
