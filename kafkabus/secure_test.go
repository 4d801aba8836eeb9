package kafkabus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// A request that is written over a connection which the broker has closed with a farewell, as it does under
// TLS, is known not to be sent.
func TestAFarewellIsHeardUnderTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server := httptest.NewUnstartedServer(nil)
			server.StartTLS() // for its certificate
			server.Close()
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates, MaxVersion: version, MinVersion: version})
			require.NoError(t, err)
			defer func() { require.NoError(t, l.Close()) }()
			heard, closed := make(chan struct{}), make(chan error, 1)
			go func() { closed <- answerOnce(l, heard) }()

			s := &secure{encryption: &tls.Config{InsecureSkipVerify: true, MinVersion: version}} //nolint:gosec // of a test
			raw, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			c := &conn{Conn: raw, raw: raw}
			defer func() { _ = c.Close() }()
			require.NoError(t, s.encrypt(t.Context(), c, l.Addr().String()))
			_, err = c.Write([]byte("hello"))
			require.NoError(t, err)
			_, err = io.ReadFull(c, make([]byte, 5))
			require.NoError(t, err)
			require.False(t, hungUp(c.raw, true))
			close(heard)
			require.NoError(t, <-closed)
			require.Eventually(t, func() bool { return hungUp(c.raw, true) }, 5*time.Second, time.Millisecond)
			_, err = c.Write([]byte("hello"))
			require.ErrorIs(t, err, errNotSent)
		})
	}
}

// answerOnce says what it is told, and says farewell without closing what is below.
func answerOnce(l net.Listener, heard <-chan struct{}) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(c, c, 5); err != nil {
		return err
	}
	<-heard
	encrypted, ok := c.(*tls.Conn)
	if !ok {
		return errors.New("not encrypted")
	}
	return encrypted.CloseWrite()
}

// A broker that accepts the connection and says nothing is waited for as long as is said.
func TestABrokerThatSaysNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	for name, o := range map[string]Options{
		"nothing": {}, "TLS": {TLS: &tls.Config{}}, //nolint:gosec // the least version is set
		"SASL": {SASL: SASL{Mechanism: SCRAM256, User: "shop", Password: "geheim"}},
	} {
		t.Run(name, func(t *testing.T) {
			o.DialTimeout = 200 * time.Millisecond
			s, err := newSecure(o)
			require.NoError(t, err)
			began := time.Now()
			_, err = s.dial(t.Context(), "tcp", l.Addr().String())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, errNotSent)
			require.ErrorContains(t, err, "does not answer")
			require.Less(t, time.Since(began), 5*time.Second)
		})
	}
}

// What is wrong until a setting is changed is told at once, as refused.
func TestRejectionsAreRefusals(t *testing.T) {
	err := fmt.Errorf("%w: %w", errNotSent, reject("TLS with %s: no", "broker"))
	require.False(t, passing(err))
	require.ErrorIs(t, outcome(err), eventbus.ErrRefused)
}

// kafka-go says of a broker that it cannot connect to that it is not available, and of what no user can see.
func TestABrokerThatIsAwayIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	c, err := newClient(Options{Brokers: []string{addr}}.withDefaults())
	require.NoError(t, err)
	defer c.close()
	err = c.refresh(t.Context())
	require.ErrorContains(t, err, addr)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "client facing")
	require.ErrorIs(t, outcome(err), engine.ErrNotStored)
}
