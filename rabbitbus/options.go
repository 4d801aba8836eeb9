package rabbitbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Options are the settings of a bus. The zero value works with a server on this machine.
// Printed or logged, they show no password.
type Options struct {
	eventbus.Options
	// URL is where the server is, as amqp://user:password@host:port/vhost, or amqps:// for TLS.
	// What the fields below say goes before it. Zero means amqp://guest:guest@localhost:5672/.
	URL string
	// Addr is the server's host:port. Zero means the URL's.
	Addr string
	// VHost is the virtual host. Zero means the URL's.
	VHost string
	// User and Password are those of the server's user. Zero means the URL's.
	User, Password string
	// External means that the client certificate in TLS says who the user is. Zero means user and
	// password.
	External bool
	// TLS is how to encrypt. Zero means not at all, or for an amqps:// URL the system's
	// certificates and at least TLS 1.2.
	TLS *tls.Config
	// Dial makes the connections that TLS and AMQP are spoken over. Zero means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// DialTimeout bounds the making of a connection, TLS and greeting included: from 100 ms to
	// 1 min. Zero means 5 s.
	DialTimeout time.Duration
	// Heartbeat is how often each side gives a sign of life; a side that gives none three
	// times is gone: from 1 s to 1 min. Zero means 10 s.
	Heartbeat time.Duration
	// Prefix is the name of the exchange, and begins those of the queues; so it tells buses
	// in one virtual host apart. Of [A-Za-z0-9._-], at most 40 bytes. Zero means "eventbus".
	Prefix string
	// Passive means that nothing is made on the server: exchange and queues must be there,
	// and bound. Zero means that the bus makes what it needs.
	Passive bool
	// RequireRoute refuses an event that no queue wants, with [ErrUnroutable]. Zero means that
	// it is counted, see [Bus.Unroutable], and no error.
	RequireRoute bool
}

const (
	defaultPrefix    = "eventbus"
	defaultURL       = "amqp://guest:guest@localhost:5672/"
	defaultDial      = 5 * time.Second
	defaultHeartbeat = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.URL == "" {
		o.URL = defaultURL
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = defaultDial
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = defaultHeartbeat
	}
	return o
}

// validate returns everything that is wrong with our part of the options.
func (o Options) validate() error {
	var errs []error
	wrong := func(field, rule string, value any) {
		errs = append(errs, &eventbus.ValidationError{Field: field, Rule: rule, Value: fmt.Sprint(value)})
	}
	if _, err := o.target(); err != nil {
		errs = append(errs, err)
	}
	if o.External && o.TLS == nil {
		wrong("External", "needs TLS with a client certificate", true)
	}
	if !legalPrefix(o.Prefix) {
		wrong("Prefix", "must be 1 to 40 bytes of [A-Za-z0-9._-], and not begin with amq.", fmt.Sprintf("%.120q", o.Prefix))
	}
	if o.DialTimeout < 100*time.Millisecond || o.DialTimeout > time.Minute {
		wrong("DialTimeout", "must be from 100ms to 1m", o.DialTimeout)
	}
	if o.Heartbeat < time.Second || o.Heartbeat > time.Minute {
		wrong("Heartbeat", "must be from 1s to 1m", o.Heartbeat)
	}
	return errors.Join(errs...)
}

// String shows where the server is, and no password.
func (o Options) String() string {
	at, err := o.withDefaults().target()
	if err != nil {
		return "rabbitbus.Options{" + err.Error() + "}"
	}
	return fmt.Sprintf("rabbitbus.Options{%s prefix %s}", at, o.withDefaults().Prefix)
}

// GoString is String.
func (o Options) GoString() string { return o.String() }

// LogValue is String.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }
