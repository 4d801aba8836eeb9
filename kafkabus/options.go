package kafkabus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Options are the settings of a bus. The zero value works with a broker on this machine.
// Printed or logged by themselves or in an exported field, they show no password; fmt shows all of
// what is in a field that is not exported.
type Options struct {
	eventbus.Options
	// Brokers are where the cluster is asked for its brokers, host:port each. Zero means
	// localhost:9092.
	Brokers []string
	// TLS is how to encrypt. Zero means not at all. Certificates in it prove who asks.
	TLS *tls.Config
	// SASL is who asks.
	SASL SASL
	// Dial makes the connections that TLS and Kafka are spoken over. Zero means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// DialTimeout bounds the making of a connection, TLS and SASL included: from 100 ms to 1 min.
	// Zero means 5 s.
	DialTimeout time.Duration
	// Prefix begins the names of all topics and groups, and so tells buses on one cluster apart. Of
	// [A-Za-z0-9._-], at most 40 bytes. Zero means "eventbus".
	Prefix string
	// Topics says which topics there are to be, and how they are made.
	Topics Topics
	// Compression is that of what is published: "none", "gzip", "snappy", "lz4" or "zstd". Zero
	// means none.
	Compression string
	// Session is how long a process may be silent before others are given its partitions: from 6 s
	// to 5 min, as the brokers allow. Zero means 10 s.
	Session time.Duration
	// Heartbeat is how often it gives a sign of life, and hears that the group is to be shared
	// out anew: from 100 ms to a third of Session. Zero means 500 ms.
	Heartbeat time.Duration
	// Grace is how long running handlers are waited for before partitions are given away; others
	// wait meanwhile: at most half of Session. Below 0 means none, zero 2 s.
	Grace time.Duration
}

// Topics are those of the events. A topic holds the events of one aggregate type, and is called
// Prefix, a dot, and the aggregate type.
type Topics struct {
	// Names are aggregate types whose topics are looked for by Start, and made if they are missing.
	// Zero means that topics are made by their first event.
	Names []string
	// Passive makes none: a topic that is missing is [ErrTopic].
	Passive bool
	// Partitions is how many a topic is made with, of which each is handled by one process at a time:
	// from 1 to 10,000. Zero means 12. A topic that has another number keeps it.
	Partitions int
	// Replication is on how many brokers a partition is kept: from 1 to 7. Zero means what the
	// cluster does by default.
	Replication int
	// Retention is how long an event is kept, be it handled or not: at least 1 min. Zero means what
	// the cluster does by default, 7 days in general; below 0 for ever.
	Retention time.Duration
}

const (
	defaultBroker     = "localhost:9092"
	defaultPrefix     = "eventbus"
	defaultDial       = 5 * time.Second
	defaultSession    = 10 * time.Second
	defaultHeartbeat  = 500 * time.Millisecond
	defaultGrace      = 2 * time.Second
	defaultPartitions = 12
)

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, zero time.Duration) {
		if *d == 0 {
			*d = zero
		}
	}
	set(&o.DialTimeout, defaultDial)
	set(&o.Session, defaultSession)
	set(&o.Heartbeat, min(defaultHeartbeat, o.Session/3))
	set(&o.Grace, min(defaultGrace, o.Session/2))
	o.Brokers = slices.Clone(o.Brokers)
	if len(o.Brokers) == 0 {
		o.Brokers = []string{defaultBroker}
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Topics.Partitions == 0 {
		o.Topics.Partitions = defaultPartitions
	}
	o.Topics.Names = slices.Clone(o.Topics.Names)
	if o.Compression == "" {
		o.Compression = "none"
	}
	return o
}

// validate returns everything that is wrong with our part of the options.
func (o Options) validate() error {
	var errs []error
	wrong := func(field, rule string, value any) {
		errs = append(errs, &eventbus.ValidationError{Field: field, Rule: rule, Value: fmt.Sprint(value)})
	}
	between := func(field string, d, least, most time.Duration) {
		if d < least || d > most {
			wrong(field, fmt.Sprintf("must be from %s to %s", least, most), d)
		}
	}
	if err := legalBrokers(o.Brokers); err != nil {
		errs = append(errs, err)
	}
	o.SASL.validate(o.TLS, wrong)
	if !legalPrefix(o.Prefix) {
		wrong("Prefix", "must be 1 to 40 bytes of [A-Za-z0-9._-], and not begin with __", fmt.Sprintf("%.120q", o.Prefix))
	}
	if _, ok := compressions[o.Compression]; !ok {
		wrong("Compression", "must be none, gzip, snappy, lz4 or zstd", fmt.Sprintf("%.40q", o.Compression))
	}
	between("DialTimeout", o.DialTimeout, 100*time.Millisecond, time.Minute)
	between("Session", o.Session, 6*time.Second, 5*time.Minute)
	between("Heartbeat", o.Heartbeat, 100*time.Millisecond, max(o.Session/3, 100*time.Millisecond))
	if o.Grace > o.Session/2 {
		wrong("Grace", "must be at most half of Session", o.Grace)
	}
	o.Topics.validate(wrong)
	return errors.Join(errs...)
}

func (t Topics) validate(wrong func(field, rule string, value any)) {
	for i, name := range t.Names {
		if !legalTopic(name) {
			wrong(fmt.Sprintf("Topics.Names[%d]", i), "must be an aggregate type", fmt.Sprintf("%.120q", name))
		}
	}
	if t.Partitions < 1 || t.Partitions > 10_000 {
		wrong("Topics.Partitions", "must be from 1 to 10000", t.Partitions)
	}
	if t.Replication < 0 || t.Replication > 7 {
		wrong("Topics.Replication", "must be from 1 to 7, or 0 for what the cluster does", t.Replication)
	}
	if t.Retention > 0 && t.Retention < time.Minute {
		wrong("Topics.Retention", "must be at least 1m", t.Retention)
	}
}

// String shows where the cluster is, and no password.
func (o Options) String() string {
	o = o.withDefaults()
	return fmt.Sprintf("kafkabus.Options{%s as %s prefix %s}", strings.Join(o.Brokers, ","), o.SASL, o.Prefix)
}

// GoString is String.
func (o Options) GoString() string { return o.String() }

// LogValue is String.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }
