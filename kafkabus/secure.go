package kafkabus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go/sasl"

	"github.com/seed-28af575d/eventbus/internal/gate"
)

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// secure makes every connection of the bus: those of kafka-go's Dialer and those of its Transport are
// encrypted, and say who asks, by the same code and the same settings, within one time limit. What
// it returns is a connection that a broker has answered on.
type secure struct {
	dialer     dialer
	encryption *tls.Config    // nil: none
	mechanism  sasl.Mechanism // nil: nobody asks
	timeout    time.Duration
	gate       gate.Gate
	failed     atomic.Pointer[error] // what the last attempt ended with, if it did
}

func newSecure(o Options) (*secure, error) {
	mechanism, err := o.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	s := &secure{dialer: o.Dial, encryption: o.TLS, mechanism: mechanism, timeout: o.DialTimeout}
	if s.encryption != nil && s.encryption.MinVersion == 0 {
		s.encryption = s.encryption.Clone()
		s.encryption.MinVersion = tls.VersionTLS12
	}
	if s.dialer == nil {
		s.dialer = (&net.Dialer{Timeout: o.DialTimeout}).DialContext
	}
	return s, nil
}

// dial makes a connection. Nothing was sent over one that could not be made.
func (s *secure) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	known, err := s.gate.Enter()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	c, err := s.attempt(ctx, network, addr)
	var suspect *suspicion
	if errors.As(err, &suspect) && (known || suspect.confirmed(ctx, network)) {
		err = suspect.confess()
	}
	switch {
	case err == nil:
		s.gate.Open()
		s.failed.Store(nil)
		return c, nil
	case rejected(err):
		s.gate.Shut(err)
	default:
		s.gate.Leave()
		s.failed.Store(&err)
	}
	return nil, fmt.Errorf("%w: %w", errNotSent, err)
}

func (s *secure) attempt(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := s.dialer(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	// Whatever waits for the broker ends with ctx.
	release := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	c := &conn{Conn: raw, raw: raw}
	err = s.encrypt(ctx, c, addr)
	if err == nil {
		err = s.introduce(ctx, c, addr)
	}
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("the broker at %s does not answer: %w", addr, ctx.Err())
		}
		return nil, err
	}
	c.begun.Store(false)
	return c, nil
}

// encrypt speaks TLS over the connection, if it is to.
func (s *secure) encrypt(ctx context.Context, c *conn, addr string) error {
	if s.encryption == nil {
		return nil
	}
	config := s.encryption
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		config = config.Clone()
		config.ServerName = host
	}
	encrypted := tls.Client(c.raw, config)
	c.Conn = encrypted
	err := encrypted.HandshakeContext(ctx)
	if ended(err) {
		return &suspicion{handshake(err, addr), func(ctx context.Context, network string) bool {
			return s.speaksPlainly(ctx, network, addr)
		}, func() error {
			return reject("TLS with %s: this listener of the broker does not speak TLS: %w", addr, err)
		}}
	}
	return handshake(err, addr)
}

// speaksPlainly asks a broker that does not answer TLS whether it answers without.
func (s *secure) speaksPlainly(ctx context.Context, network, addr string) bool {
	plain := &secure{dialer: s.dialer, timeout: s.timeout}
	c, err := plain.attempt(ctx, network, addr)
	if err == nil {
		_ = c.Close()
	}
	return err == nil || errors.As(err, new(*suspicion)) // it wants SASL
}

// introduce says who asks, and hears an answer.
func (s *secure) introduce(ctx context.Context, c *conn, addr string) error {
	if s.mechanism == nil {
		return s.greet(c, addr)
	}
	return s.authenticate(ctx, c, addr)
}

// rejection is an error that stays until somebody changes a setting, of ours or of the broker's: it is
// told at once, and seldom tried again.
type rejection struct{ error }

func (r *rejection) Unwrap() error { return r.error }

// suspicion is an error that may be a rejection, or that of a broker that just goes away.
type suspicion struct {
	error
	confirmed func(ctx context.Context, network string) bool
	confess   func() error // what it is then
}

func (s *suspicion) Unwrap() error { return s.error }

func reject(format string, args ...any) error { return &rejection{fmt.Errorf(format, args...)} }

// handshake is the error of a TLS that could not be agreed on, in words for who has set it up.
func handshake(err error, addr string) error {
	var (
		unverified *tls.CertificateVerificationError
		garbage    tls.RecordHeaderError
	)
	switch {
	case err == nil:
		return nil
	case alerted(err) && strings.Contains(err.Error(), "certificate"):
		return reject("%w: TLS with %s: the broker wants a certificate (Options.TLS.Certificates) that it accepts: %w", ErrCredentials, addr, err)
	case errors.As(err, &unverified), alerted(err):
		return reject("TLS with %s: %w", addr, err)
	case errors.As(err, &garbage):
		return reject("TLS with %s: this listener of the broker does not speak TLS: %w", addr, err)
	}
	return fmt.Errorf("TLS with %s: %w", addr, err)
}

// alerted reports whether the other side has said, in TLS, that it does not go on.
func alerted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}
