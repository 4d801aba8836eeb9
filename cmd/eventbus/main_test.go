package main

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/cmd/eventbus/internal/demo"
)

// do runs the command line.
func do(t *testing.T, args ...string) (status int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(t.Context(), args, streams{strings.NewReader(""), &stdout, &stderr})
	return status, stdout.String(), stderr.String()
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"demo", "--help"}, {"version", "--help"}} {
		status, out, err := do(t, args...)
		require.Equal(t, demo.StatusGood, status)
		require.Contains(t, out, "Usage: eventbus")
		require.Empty(t, err)
	}
	_, out, _ := do(t, "demo", "--help")
	for _, want := range []string{"--orders", "--seed", "--events", "--poison", "--json", "Examples:", "Exit status:"} {
		require.Contains(t, out, want)
	}
}

func TestWrongUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"expected one of":                                                      nil,
		"unexpected argument":                                                  {"demon"},
		"unknown flag --order":                                                 {"demo", "--order=1"},
		"--orders must be from 1 to 999999 (got 0)":                            {"demo", "--orders=0"},
		"--orders must be from 1 to 999999 (got -5)":                           {"demo", "--orders=-5"},
		"expected a valid 64 bit int":                                          {"demo", "--orders=many"},
		"--orders and --events can't be used together":                         {"demo", "--events=x", "--orders=3"},
		"--seed and --events can't be used together":                           {"demo", "--events=x", "--seed=3"},
		"--poison must be dotted words of [A-Za-z0-9_-], * or # (got \"a b\")": {"demo", "--poison=a b"},
		"--poison a pattern must not be empty":                                 {"demo", "--poison="},
		"--events must name a file, or -":                                      {"demo", "--events="},
		"--bus must begin with memory:, redis://, amqp:// or kafka://":         {"demo", "--bus=http://u:geheim@h"},
		"--bus must be amqp://":                                                {"demo", "--bus=amqp://u:geheim@h:x y"},
		"--bus must be redis://":                                               {"demo", "--bus=redis://u:geheim@h:x y"},
		"--bus must be kafka://":                                               {"demo", "--bus=kafka://u:geheim@h:x y"},
		"no such file":                                                         {"demo", "--events=nowhere"},
	} {
		status, out, err := do(t, args...)
		require.Equal(t, demo.StatusInput, status)
		require.Empty(t, out)
		require.Contains(t, err, want)
		require.NotContains(t, err, "geheim")
	}
}

func TestVersion(t *testing.T) {
	status, out, err := do(t, "version")
	require.Equal(t, demo.StatusGood, status, err)
	require.Regexp(t, `^eventbus \S+.*, go1\S+ \w+/\w+\n$`, out)

	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"},
	}}
	require.Regexp(t, `^eventbus v1\.2\.3 0123456789ab \(modified\), go1`, versionText(info))
	require.Regexp(t, `^eventbus \(unknown\), go1`, versionText(&debug.BuildInfo{}))
}
