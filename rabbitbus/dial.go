package rabbitbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// dialer makes connections to the server.
type dialer struct {
	at      target
	options Options
	turn    *atomic.Uint32 // which node is asked first
}

// dial makes a connection to the first node that lets us in, until ctx ends. Its errors are
// typed, and show no password.
func (d dialer) dial(ctx context.Context, purpose string) (c *conn, err error) {
	first, nodes := d.turn.Load(), uint32(len(d.at.addrs)) //nolint:gosec // of a few
	for i := range nodes {
		if c, err = d.node(ctx, d.at.addrs[(first+i)%nodes], purpose); err == nil {
			d.turn.Store(first + i)
			return c, nil
		}
		if ctx.Err() != nil || errors.Is(err, ErrCredentials) || errors.Is(err, ErrVHost) {
			break
		}
	}
	return nil, fmt.Errorf("rabbitbus: connect to %s: %w", d.at, err)
}

// node makes a connection to one node, within the dial time-out.
func (d dialer) node(ctx context.Context, addr, purpose string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.options.DialTimeout)
	defer cancel()
	l, err := d.socket(ctx, addr)
	if err != nil {
		return nil, err
	}
	// The client's handshake knows no context, but ends with its socket.
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	about := amqp.Table{"product": "eventbus", "connection_name": d.options.Prefix + " " + purpose}
	c, err := amqp.Open(l, amqp.Config{
		SASL: d.at.auth(about), Vhost: d.at.vhost, Locale: "en_US",
		Heartbeat: d.options.Heartbeat, FrameSize: frameSize, Properties: about,
	})
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		stop()
		_ = l.Close()
		return nil, handshake(ctx, l, err)
	}
	return newConn(c, l), nil
}

// frameSize is the server's own default.
const frameSize = 128 << 10

var errCut = errors.New("the connection ended during the greeting")

// handshake is the error of a greeting that failed. The client takes any end for bad
// credentials or a bad virtual host, where it has come so far; the server says so itself.
func handshake(ctx context.Context, l *line, err error) error {
	if silent := l.silent(); silent != nil {
		return silent
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the server did not finish its greeting: %w", context.Cause(ctx))
	}
	if said := (*amqp.Error)(nil); errors.As(err, &said) && !said.Server && (said.Code == amqp.AccessRefused || said.Code == amqp.NotAllowed) {
		return errCut
	}
	if code(err) == amqp.AccessRefused {
		return fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	return typed(err)
}

func (d dialer) socket(ctx context.Context, addr string) (*line, error) {
	dial := d.options.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if d.at.tls == nil {
		return &line{Conn: c}, nil
	}
	config := d.at.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		if record := (tls.RecordHeaderError{}); errors.As(err, &record) {
			return nil, fmt.Errorf("%w: it does not speak TLS: %w", ErrNotAMQP, err)
		}
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return &line{Conn: secure}, nil
}

// patience is how long a call goes on when its context has ended, before the connection is
// given up.
const patience = 500 * time.Millisecond
