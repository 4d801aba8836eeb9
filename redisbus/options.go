package redisbus

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
)

// Options are the settings of a bus. The zero value works.
type Options struct {
	eventbus.Options
	// Prefix begins the name of every key, and so tells buses on one server apart; of
	// printable ASCII without braces, at most 100 bytes. Zero means "eventbus".
	Prefix string
	// Consumer names this instance within its groups; of printable ASCII, at most 100 bytes. One
	// that comes back under its name takes up first what it left, without waiting for the
	// lease. No two processes have one name at a time. Zero means a name of its own each time.
	Consumer string
	// Lease is how long a delivery may be without a sign of life from its process before
	// another one takes it over: from 1 s to 1 h. A handler may take longer, as long as its
	// process lives. Zero means 30 s.
	Lease time.Duration
	// Retain is how many events a topic keeps that nobody needs any more: beyond it the oldest
	// go that every group has acknowledged, once they are a minute old. What a group still
	// needs stays, however much that is, which is logged. Zero means that all are kept.
	Retain int
	// Sync is what a publish waits for beyond the server's own answer. Zero means nothing.
	Sync Sync
}

// Sync says in how many places an event must be before Publish returns nil. A place that
// does not confirm in time makes the outcome unknown: the event is stored, and may
// be lost with the server.
type Sync struct {
	// Replicas is how many replicas must have it (WAIT). Zero means none.
	Replicas int
	// Disk means that the server and so many Replicas have it on disk (WAITAOF), which needs
	// Redis 7.2 and appendonly. With appendfsync everysec that takes up to a second. Zero
	// means that memory is enough.
	Disk bool
	// Timeout is how long to wait. Zero means 1 s.
	Timeout time.Duration
}

const (
	defaultPrefix = "eventbus"
	defaultLease  = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Sync.Timeout == 0 {
		o.Sync.Timeout = time.Second
	}
	return o
}

// validate returns everything that is wrong with our part of the options.
func (o Options) validate() error {
	var errs []error
	wrong := func(field, rule string, value any) {
		errs = append(errs, &eventbus.ValidationError{Field: field, Rule: rule, Value: fmt.Sprint(value)})
	}
	if !legalPrefix(o.Prefix) {
		wrong("Prefix", "must be 1 to 100 printable ASCII characters without blanks and braces", fmt.Sprintf("%.120q", o.Prefix))
	}
	if o.Consumer != "" && !legalPrefix(o.Consumer) {
		wrong("Consumer", "must be at most 100 printable ASCII characters without blanks and braces", fmt.Sprintf("%.120q", o.Consumer))
	}
	if o.Lease < time.Second || o.Lease > time.Hour {
		wrong("Lease", "must be from 1s to 1h", o.Lease)
	}
	if o.Retain < 0 {
		wrong("Retain", "must not be negative", o.Retain)
	}
	if o.Sync.Replicas < 0 || o.Sync.Replicas > 100 {
		wrong("Sync.Replicas", "must be from 0 to 100", o.Sync.Replicas)
	}
	if o.Sync.Timeout < time.Millisecond || o.Sync.Timeout > time.Minute {
		wrong("Sync.Timeout", "must be from 1ms to 1m", o.Sync.Timeout)
	}
	return errors.Join(errs...)
}

// single returns the client if it is one of a single server.
func single(c redis.UniversalClient) (*redis.Client, error) {
	refuse := func(rule string) error {
		return &eventbus.ValidationError{Field: "client", Rule: rule, Value: fmt.Sprintf("%T", c)}
	}
	if c == nil || reflect.ValueOf(c).Kind() == reflect.Pointer && reflect.ValueOf(c).IsNil() {
		return nil, refuse("must not be nil")
	}
	client, ok := c.(*redis.Client)
	if !ok {
		return nil, refuse("must be a *redis.Client of a single server: clusters and rings are not supported yet")
	}
	if client.Options().Addr == "FailoverClient" {
		return nil, refuse("must be a client of a single server: Sentinel is not supported yet")
	}
	return client, nil
}
