package kafkabus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/seed-28af575d/eventbus"
)

// Mechanism is how the broker is told who asks.
type Mechanism string

const (
	// None says nothing.
	None Mechanism = ""
	// Plain sends the password as it is, and so only over TLS; see [SASL.Unencrypted].
	Plain Mechanism = "PLAIN"
	// SCRAM256 proves the password without sending it.
	SCRAM256 Mechanism = "SCRAM-SHA-256"
	// SCRAM512 does so with the longer hash.
	SCRAM512 Mechanism = "SCRAM-SHA-512"
)

// SASL is who asks. The zero value is nobody. Every connection of the bus says so; where brokers forget it after
// a while (connections.max.reauth.ms), connections are made anew before.
type SASL struct {
	Mechanism      Mechanism
	User, Password string
	// Unencrypted lets Plain send the password where everybody between can read it.
	Unencrypted bool
}

// String shows no password.
func (s SASL) String() string {
	if s.Mechanism == None {
		return "nobody"
	}
	return string(s.Mechanism) + " " + s.User
}

// GoString is String.
func (s SASL) GoString() string { return s.String() }

// LogValue is String.
func (s SASL) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, also in a field that is written as JSON.
func (s SASL) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// mechanism makes one of kafka-go's. That of SCRAM cannot be made of some names and passwords.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case Plain:
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case SCRAM256:
		return scram.Mechanism(scram.SHA256, s.User, s.Password)
	case SCRAM512:
		return scram.Mechanism(scram.SHA512, s.User, s.Password)
	}
	return nil, nil //nolint:nilnil // nobody is a good answer
}

func (s SASL) validate(encryption *tls.Config, wrong func(field, rule string, value any)) {
	switch s.Mechanism {
	case None:
		if s.User != "" || s.Password != "" {
			wrong("SASL.Mechanism", "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 where there is a user or a password", "")
		}
		return
	case Plain, SCRAM256, SCRAM512:
	default:
		wrong("SASL.Mechanism", "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", fmt.Sprintf("%.40q", string(s.Mechanism)))
		return
	}
	if s.User == "" || s.Password == "" {
		wrong("SASL", "needs a user and a password", s.String())
	} else if _, err := s.mechanism(); err != nil {
		wrong("SASL", "needs a user and a password that SASLprep allows", s.String())
	}
	if s.Mechanism == Plain && encryption == nil && !s.Unencrypted {
		wrong("SASL.Mechanism", "sends the password as it is: set TLS, or SASL.Unencrypted if the network is your own", Plain)
	}
}

// legalBrokers returns everything that is wrong with them.
func legalBrokers(addrs []string) error {
	var errs []error
	for i, addr := range addrs {
		if !legalBroker(addr) {
			// An address with an at-sign may hold a password.
			shown := addr
			if strings.Contains(addr, "@") {
				shown = ""
			}
			errs = append(errs, &eventbus.ValidationError{
				Field: fmt.Sprintf("Brokers[%d]", i), Rule: "must be host:port", Value: fmt.Sprintf("%.120q", shown),
			})
		}
	}
	return errors.Join(errs...)
}

func legalBroker(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n > 0 && host != "" && !strings.ContainsAny(host, "@/ ")
}
