package rabbitbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
)

// Options are the settings of a bus. The zero value works with a server on this machine.
// Printed or logged by themselves or in an exported field, they show no password; fmt shows all of
// what is in a field that is not exported.
type Options struct {
	eventbus.Options
	// URL is where the server is, as amqp://user:password@host:port/vhost, or amqps:// for TLS.
	// What the fields below say goes before it. Zero means amqp://guest:guest@localhost:5672/.
	URL string
	// Addrs are the server's nodes, host:port each. Each connection is made to one of them
	// that lets us in. Zero means the URL's.
	Addrs []string
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
	// DialTimeout bounds the making of a connection to one node, TLS and greeting included: from
	// 100 ms to 1 min. Zero means 5 s.
	DialTimeout time.Duration
	// Heartbeat is how often each side gives a sign of life; a side that gives none three
	// times is gone: from 1 s to 1 min. Zero means 10 s.
	Heartbeat time.Duration
	// Prefix is the name of the exchange, and begins those of the queues; so it tells buses
	// in one virtual host apart. Of [A-Za-z0-9._-], at most 40 bytes. Zero means "eventbus".
	Prefix string
	// ExchangeType is how the exchange tells groups from each other: "topic", "direct", "fanout" or
	// "headers", of which only the first knows patterns. A group gets every event from fanout, and
	// from direct and headers if there is a wildcard in one of its patterns; the bus passes over what
	// its subscriber does not want. All buses of a prefix say the same. Zero means topic.
	ExchangeType string
	// Bindings lead from other exchanges to the queues of this bus's subscribers. Zero means none.
	// One that is not wanted any more stays until somebody removes it on the server.
	Bindings []Binding
	// Classic means that the queues of groups are classic ones: on one node of the server and lost
	// with it. All buses of a prefix say the same. Zero means quorum queues.
	Classic bool
	// SingleActiveConsumer means that one instance of a subscriber at a time is handed events, and
	// the next one when that has gone: so the order of an aggregate holds across processes, except
	// where a retry is not held in order. All instances say the same. Zero means that they share the work.
	SingleActiveConsumer bool
	// Passive means that nothing is made on the server: exchange and queues must be there,
	// and bound. After a lost connection the order of an aggregate may break, since a queue
	// of the bus's own would be needed. Zero means that the bus makes what it needs.
	Passive bool
	// RequireRoute refuses an event that no queue wants, with [ErrUnroutable]; one that gets more
	// than its subscriber wants, see ExchangeType, counts. Zero means that the event is counted, see
	// [Bus.Unroutable], and no error.
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
	o.Addrs, o.Bindings = slices.Clone(o.Addrs), slices.Clone(o.Bindings)
	if o.ExchangeType == "" {
		o.ExchangeType = amqp.ExchangeTopic
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
	if o.External && (o.TLS == nil || len(o.TLS.Certificates) == 0 && o.TLS.GetClientCertificate == nil) {
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
	o.validateRouting(wrong)
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
