package kafkabus

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

const canary = "geheim"

// fields are those of everything that is wrong.
func fields(err error) (names []string) {
	var wrong *eventbus.ValidationError
	switch x := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() []error }:
		for _, err := range x.Unwrap() {
			names = append(names, fields(err)...)
		}
	case *eventbus.ValidationError:
		names = append(names, x.Field)
	default:
		if errors.As(err, &wrong) {
			names = fields(errors.Unwrap(err))
		}
	}
	return names
}

func TestOptionsHaveDefaults(t *testing.T) {
	o := Options{}.withDefaults()
	require.NoError(t, o.validate())
	require.Equal(t, []string{"localhost:9092"}, o.Brokers)
	require.Equal(t, "eventbus", o.Prefix)
	require.Equal(t, "none", o.Compression)
	require.Equal(t, Topics{Partitions: 12}, o.Topics)
	require.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second, 500 * time.Millisecond, 2 * time.Second},
		[]time.Duration{o.DialTimeout, o.Session, o.Heartbeat, o.Grace})
	require.Equal(t, o.String(), o.withDefaults().String())

	given := Options{Brokers: []string{"one:1"}, Topics: Topics{Names: []string{"order"}}}
	filled := given.withDefaults()
	given.Brokers[0], given.Topics.Names[0] = "other:2", "other"
	require.Equal(t, "one:1", filled.Brokers[0], "slices are the caller's")
	require.Equal(t, "order", filled.Topics.Names[0])
}

func TestOptionsInBounds(t *testing.T) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	for name, o := range map[string]Options{
		"bounds below":  {DialTimeout: 100 * time.Millisecond, Session: 6 * time.Second, Heartbeat: 100 * time.Millisecond, Grace: -1},
		"bounds above":  {DialTimeout: time.Minute, Session: 5 * time.Minute, Heartbeat: 100 * time.Second, Grace: 150 * time.Second},
		"topics":        {Topics: Topics{Names: []string{"order", "Order_2-x"}, Partitions: 10_000, Replication: 7, Retention: time.Minute}},
		"for ever":      {Topics: Topics{Retention: -1, Partitions: 1, Replication: 1}},
		"addresses":     {Brokers: []string{"[::1]:9092", "kafka.example.com:65535", "10.0.0.1:1"}},
		"prefix":        {Prefix: strings.Repeat("a", 40)},
		"prefix of all": {Prefix: "_a.B-9"},
		"compression":   {Compression: "zstd"},
		"PLAIN":         {TLS: secure, SASL: SASL{Mechanism: Plain, User: "u", Password: canary}},
		"PLAIN at home": {SASL: SASL{Mechanism: Plain, User: "u", Password: canary, Unencrypted: true}},
		"SCRAM":         {SASL: SASL{Mechanism: SCRAM512, User: "u", Password: canary}},
	} {
		bus, err := New(o)
		require.NoError(t, err, name)
		require.NoError(t, bus.Shutdown(t.Context()), name)
	}
}

func TestOptionsAreRefusedByField(t *testing.T) {
	for _, c := range []struct {
		o      Options
		fields []string
	}{
		{Options{Brokers: []string{"a:1", "nowhere", "b:2", ""}}, []string{"Brokers[1]", "Brokers[3]"}},
		{Options{Brokers: []string{":9092", "h:", "h:0", "h:70000", "h:x", "kafka://h:9092", "u@h:1", "a b:1", "h/x:1"}}, []string{
			"Brokers[0]", "Brokers[1]", "Brokers[2]", "Brokers[3]", "Brokers[4]", "Brokers[5]", "Brokers[6]", "Brokers[7]", "Brokers[8]",
		}},
		{Options{Prefix: strings.Repeat("a", 41)}, []string{"Prefix"}},
		{Options{Prefix: "__mine"}, []string{"Prefix"}},
		{Options{Prefix: "."}, []string{"Prefix"}},
		{Options{Prefix: ".."}, []string{"Prefix"}},
		{Options{Prefix: "a b"}, []string{"Prefix"}},
		{Options{Prefix: "größe"}, []string{"Prefix"}},
		{Options{Prefix: "a/b"}, []string{"Prefix"}},
		{Options{Compression: "brotli"}, []string{"Compression"}},
		{Options{DialTimeout: time.Millisecond}, []string{"DialTimeout"}},
		{Options{DialTimeout: time.Hour}, []string{"DialTimeout"}},
		{Options{Session: 5 * time.Second}, []string{"Session"}},
		{Options{Session: time.Hour}, []string{"Session"}},
		{Options{Session: -1}, []string{"Session", "Heartbeat"}},
		{Options{Heartbeat: 50 * time.Millisecond}, []string{"Heartbeat"}},
		{Options{Heartbeat: 4 * time.Second}, []string{"Heartbeat"}},
		{Options{Session: 6 * time.Second, Heartbeat: 2001 * time.Millisecond}, []string{"Heartbeat"}},
		{Options{Grace: 5001 * time.Millisecond}, []string{"Grace"}},
		{Options{Topics: Topics{Names: []string{"order", "order.created", "", "a b", "*"}}}, []string{
			"Topics.Names[1]", "Topics.Names[2]", "Topics.Names[3]", "Topics.Names[4]",
		}},
		{Options{Topics: Topics{Names: []string{strings.Repeat("a", 181)}}}, []string{"Topics.Names[0]"}},
		{Options{Topics: Topics{Partitions: -1, Replication: -1, Retention: time.Second}}, []string{
			"Topics.Partitions", "Topics.Replication", "Topics.Retention",
		}},
		{Options{Topics: Topics{Partitions: 10_001, Replication: 8}}, []string{"Topics.Partitions", "Topics.Replication"}},
		{Options{SASL: SASL{User: "u"}}, []string{"SASL.Mechanism"}},
		{Options{SASL: SASL{Password: canary}}, []string{"SASL.Mechanism"}},
		{Options{SASL: SASL{Mechanism: "GSSAPI", User: "u", Password: canary}}, []string{"SASL.Mechanism"}},
		{Options{SASL: SASL{Mechanism: SCRAM256, User: "u"}}, []string{"SASL"}},
		{Options{SASL: SASL{Mechanism: SCRAM256, Password: canary}}, []string{"SASL"}},
		{Options{SASL: SASL{Mechanism: SCRAM512, User: "u", Password: canary + "\x00"}}, []string{"SASL"}},
		{Options{SASL: SASL{Mechanism: Plain, User: "u", Password: canary}}, []string{"SASL.Mechanism"}},
		{Options{Options: eventbus.Options{Group: "a.b", Window: -1}, Prefix: "!", Session: time.Second, Topics: Topics{Replication: 9}}, []string{
			"group", "window", "Prefix", "Session", "Topics.Replication",
		}},
	} {
		_, err := New(c.o)
		require.ErrorIs(t, err, eventbus.ErrInvalid, "%v", c.fields)
		require.Equal(t, c.fields, fields(err), "%v", err)
		require.NotContains(t, err.Error(), canary)
	}
}

func TestOptionsShowNoSecret(t *testing.T) {
	o := Options{SASL: SASL{Mechanism: SCRAM256, User: "shop", Password: canary}, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}
	require.Equal(t, "kafkabus.Options{localhost:9092 as SCRAM-SHA-256 shop prefix eventbus}", o.String())
	require.Equal(t, "nobody", SASL{}.String())
	inField := struct {
		Options Options
		SASL    SASL
	}{o, o.SASL}
	for _, x := range []any{o, &o, o.SASL, &o.SASL, inField, []SASL{o.SASL}, map[string]SASL{"x": o.SASL}} {
		text := fmt.Sprintf("%v %+v %#v", x, x, x)
		var logged bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
			slog.New(h).Info("made", "options", x)
		}
		written, _ := json.Marshal(x) // of Options it fails
		require.NotContains(t, text+logged.String()+string(written), canary, "%T", x)
	}

	for _, o := range []Options{
		{Brokers: []string{"u:" + canary + "@h:9092"}}, {Brokers: []string{"kafka://u:" + canary + "@h"}},
		{SASL: SASL{Mechanism: Plain, User: "u", Password: canary}}, {SASL: SASL{Password: canary}},
		{SASL: SASL{Mechanism: "plain", User: "u", Password: canary}}, {SASL: SASL{Mechanism: SCRAM256, User: "u\x00", Password: canary}},
	} {
		_, err := New(o)
		require.ErrorIs(t, err, eventbus.ErrInvalid)
		require.NotContains(t, err.Error(), canary)
	}
}

// unreachable is a dialer that counts.
type unreachable struct{ n int }

func (u *unreachable) dial(context.Context, string, string) (net.Conn, error) {
	u.n++
	return nil, &net.OpError{Op: "dial", Err: errors.New("nobody there")}
}

func TestOptionsOfNewNeedNoCluster(t *testing.T) {
	u := unreachable{}
	bus, err := New(Options{Dial: u.dial})
	require.NoError(t, err)
	require.NoError(t, bus.Shutdown(t.Context()))
	require.Zero(t, u.n)
}

// Names that Kafka has no room for are refused before it is asked; shorter ones are not.
func TestOptionsAndNamesOfASubscriberFitIntoKafkas(t *testing.T) {
	u := unreachable{}
	bus, err := New(Options{Options: eventbus.Options{Group: strings.Repeat("g", 100)}, Prefix: strings.Repeat("p", 40), Dial: u.dial})
	require.NoError(t, err)
	subscribe := func(name string) error {
		_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{
			Name: name, Events: []string{"order.#"}, Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { return nil }),
		})
		return err
	}
	err = subscribe(strings.Repeat("n", 100))
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	require.Equal(t, []string{"name"}, fields(err))
	require.Zero(t, u.n)
	err = subscribe(strings.Repeat("n", 99))
	require.Error(t, err)
	require.NotErrorIs(t, err, eventbus.ErrInvalid)
	require.NotZero(t, u.n)
	require.NoError(t, bus.Shutdown(t.Context()))
}

func TestOptionsTellBusesApartByPrefix(t *testing.T) {
	n := names{"shop"}
	require.Len(t, names{strings.Repeat("p", 40)}.letters(strings.Repeat("g", 100)+"."+strings.Repeat("n", 99)), maxTopicName)
	for name, topic := range map[string]string{
		"shop.order": "order", "shop.eu.order": "", "shops.order": "", "shop": "", "shop.": "", "shop-retries.a.b": "", "other.order": "",
	} {
		found, ok := n.topicOf(name)
		require.Equal(t, topic != "", ok, name)
		if ok {
			require.Equal(t, topic, found)
			require.Equal(t, name, n.events(found))
		}
	}
	group, ok := n.lettersOf(n.letters("a.b"))
	require.True(t, ok)
	require.Equal(t, "a.b", group)
	seen := map[string]bool{}
	for _, name := range []string{n.events("a"), n.retries("a.b"), n.letters("a.b"), n.tries("a.b"), n.facts()} {
		require.False(t, seen[name])
		seen[name] = true
	}
}
