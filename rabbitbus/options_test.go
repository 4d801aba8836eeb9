package rabbitbus

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestOptionsSayWhereTheServerIs(t *testing.T) {
	for url, want := range map[string]string{
		"":                                 "amqp://guest@localhost:5672/%2F",
		"amqp://h":                         "amqp://guest@h:5672/%2F",
		"amqps://h/":                       "amqps://guest@h:5671/%2F",
		"amqp://u:p@h:1/v":                 "amqp://u@h:1/v",
		"amqp://u:p%3F%23%40@h:1/%2Fv%2Fw": "amqp://u@h:1/%2Fv%2Fw",
		"amqp://[::1]/":                    "amqp://guest@[::1]:5672/%2F",
		"amqp://u%20x:p@h:1/a%20b":         "amqp://u x@h:1/a%20b",
	} {
		at, err := Options{URL: url}.withDefaults().target()
		require.NoError(t, err, url)
		require.Equal(t, want, at.String(), url)
		require.Equal(t, strings.HasPrefix(url, "amqps"), at.tls != nil)
	}
	at, err := Options{URL: "amqp://u:p%3F@h/v", Addrs: []string{"other:7", "one:8"}, VHost: "w", User: "x", Password: "y"}.withDefaults().target()
	require.NoError(t, err)
	require.Equal(t, target{addrs: []string{"other:7", "one:8"}, vhost: "w", user: "x", password: "y"}, at)
}

func TestOptionsAreRefusedWithoutTheirSecrets(t *testing.T) {
	const canary = "geheim"
	for _, o := range []Options{
		{URL: "amqp://u:" + canary + "%zz@h"}, {URL: "redis://u:" + canary + "@h"}, {URL: "amqp://u:" + canary + "?x@h"},
		{URL: "amqp://u:" + canary + "@h?heartbeat=1"}, {URL: "amqp:u:" + canary}, {URL: "amqp://u:" + canary + "@"},
		{URL: canary}, {Password: canary, Addrs: []string{"nowhere"}},
	} {
		_, err := New(o)
		require.ErrorIs(t, err, eventbus.ErrInvalid)
		require.NotContains(t, err.Error(), canary)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", o, o, o, slog.AnyValue(o).Resolve()), canary)
	}
	good := Options{URL: "amqp://u:" + canary + "@h/", Password: canary}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", good, good, good, slog.AnyValue(good).Resolve()), canary)

	_, err := New(Options{Prefix: "amq.x", DialTimeout: time.Millisecond, Heartbeat: time.Hour, External: true, Options: eventbus.Options{Group: "a.b"}})
	_, noCertificate := New(Options{External: true, TLS: &tls.Config{MinVersion: tls.VersionTLS12}})
	require.ErrorContains(t, noCertificate, "External: needs TLS with a client certificate")
	for _, field := range []string{"Prefix", "DialTimeout", "Heartbeat", "External", "group"} {
		require.ErrorContains(t, err, field+": ")
	}
}

func TestStepsAreLateByTheLowestAtMost(t *testing.T) {
	steps := ladder()
	for left := time.Millisecond; left < 3*time.Hour; left = left*21/20 + time.Millisecond {
		hops, waited := 0, time.Duration(0)
		for rest := left; rest > 0; hops++ {
			d := stepFor(rest)
			rest, waited = rest-d, waited+d
		}
		require.LessOrEqual(t, waited-left, steps[0], left)
		require.LessOrEqual(t, hops, 30, left)
	}
	require.Equal(t, "100ms 300ms 1s 3s 10s 30s 2m 10m 1h", func() (all string) {
		for _, d := range steps {
			all += " " + shortly(d)
		}
		return all[1:]
	}())
	require.Equal(t, time.Second, stepFor(999*time.Millisecond), "what was a second a moment ago is one")
}
