package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
)

// spoken are the versions of what is asked here; brokers have them since 2.2.
var spoken = map[protocol.ApiKey]int16{protocol.Metadata: 1, protocol.SaslHandshake: 1, protocol.SaslAuthenticate: 1}

func ask[T protocol.Message](c net.Conn, request protocol.Message) (answer T, err error) {
	p := protocol.NewConn(c, clientID)
	p.SetVersions(spoken)
	m, err := p.RoundTrip(request)
	if err != nil {
		return answer, err
	}
	answer, _ = m.(T)
	return answer, nil
}

// authenticate says who asks.
func (s *secure) authenticate(ctx context.Context, c *conn, addr string) error {
	name := s.mechanism.Name()
	met, err := ask[*saslhandshake.Response](c, &saslhandshake.Request{Mechanism: name})
	if err != nil {
		return unanswered(err, addr, s.encryption != nil)
	}
	if met.ErrorCode != 0 {
		return reject("%w: SASL with %s: the broker's mechanisms here are %q: %w", ErrCredentials, addr, met.Mechanisms, kafka.Error(met.ErrorCode))
	}
	state, words, err := s.mechanism.Start(sasl.WithMetadata(ctx, nil))
	for done := false; err == nil && !done; {
		var said *saslauthenticate.Response
		if said, err = ask[*saslauthenticate.Response](c, &saslauthenticate.Request{AuthBytes: words}); err != nil {
			return fmt.Errorf("SASL %s with %s: %w", name, addr, err)
		}
		if said.ErrorCode != 0 {
			return reject("%w: SASL %s with %s: %s: %w", ErrCredentials, name, addr, said.ErrorMessage, kafka.Error(said.ErrorCode))
		}
		c.lasts(time.Duration(said.SessionLifetimeMs) * time.Millisecond)
		done, words, err = state.Next(ctx, said.AuthBytes)
	}
	if err != nil { // of SCRAM, in which both sides prove that they know the password
		return reject("%w: SASL %s with %s: the broker's proof: %w", ErrCredentials, name, addr, err)
	}
	return nil
}

// greet hears whether the broker speaks with nobody: one that demands SASL answers the first question, and
// hangs up at the second. So does one that is just going away, but not twice.
func (s *secure) greet(c *conn, addr string) error {
	if _, err := ask[*apiversions.Response](c, &apiversions.Request{}); err != nil {
		return unanswered(err, addr, s.encryption != nil)
	}
	_, err := ask[*metadata.Response](c, &metadata.Request{TopicNames: []string{}})
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the broker at %s: %w", addr, err)
	if !ended(err) {
		return err
	}
	return &suspicion{err, func(ctx context.Context, network string) bool {
		again, err := s.attempt(ctx, network, addr)
		if err == nil {
			_ = again.Close()
		}
		return errors.As(err, new(*suspicion))
	}, func() error {
		return reject("%w: the broker at %s hangs up on who does not say who asks: set Options.SASL: %w", ErrCredentials, addr, err)
	}}
}

// unanswered is the error of a first question that was not answered, in words for who has set it up.
func unanswered(err error, addr string, encrypted bool) error {
	var garbage *alertError
	switch {
	case alerted(err):
		return handshake(err, addr)
	case errors.As(err, &garbage):
		return reject("the broker at %s: this listener speaks TLS: set Options.TLS: %w", addr, err)
	case ended(err) && encrypted:
		return fmt.Errorf("the broker at %s has closed the connection; perhaps it wants a certificate (Options.TLS.Certificates): %w", addr, err)
	case ended(err):
		return fmt.Errorf("the broker at %s has closed the connection; perhaps this listener speaks TLS (Options.TLS): %w", addr, err)
	}
	return fmt.Errorf("the broker at %s: %w", addr, err)
}

func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
