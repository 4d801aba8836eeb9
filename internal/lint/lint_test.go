package lint

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestTheRepositoryKeepsTheRules(t *testing.T) {
	files, err := scan(os.DirFS("../.."))
	require.NoError(t, err)
	require.Contains(t, directories(files), ".", "the root package was not found")
	for _, b := range check(files, layers, bans) {
		t.Error(b)
	}
}

func directories(files []*file) map[string]bool {
	dirs := map[string]bool{}
	for _, f := range files {
		dirs[f.dir()] = true
	}
	return dirs
}

// Each case is a file that breaks a rule, or one that comes near and does not.
var cases = []struct {
	name string
	path string
	text string
	want string // what is reported, without the reason; "" is nothing
}{
	{
		name: "the root keeps to the vocabulary",
		path: "bus.go",
		text: "package eventbus\nimport \"log/slog\"\nimport \"github.com/google/uuid\"\nimport \"go.opentelemetry.io/otel\"\nimport \"example.com/bus/internal/words\"",
	},
	{
		name: "the root imports the telemetry SDK",
		path: "bus.go",
		text: "package eventbus\nimport \"go.opentelemetry.io/otel/sdk/trace\"",
		want: `bus.go:2: import go.opentelemetry.io/otel/sdk/trace breaks "layer root"`,
	},
	{
		name: "the root imports a package beneath it",
		path: "bus.go",
		text: "package eventbus\nimport _ \"example.com/bus/dlq\"",
		want: `bus.go:2: import example.com/bus/dlq breaks "layer root"`,
	},
	{
		name: "the root imports the engine, which is internal but no vocabulary",
		path: "bus.go",
		text: "package eventbus\nimport _ \"example.com/bus/internal/engine\"",
		want: `bus.go:2: import example.com/bus/internal/engine breaks "layer root"`,
	},
	{
		name: "vocabulary imports a client",
		path: "internal/words/words.go",
		text: "package words\nimport _ \"golang.org/x/sync/errgroup\"",
		want: `internal/words/words.go:2: import golang.org/x/sync/errgroup breaks "layer internal vocabulary"`,
	},
	{
		name: "dlq imports the engine",
		path: "dlq/queue.go",
		text: "package dlq\nimport (\n\t\"context\"\n\n\tx \"example.com/bus/internal/engine\"\n)",
		want: `dlq/queue.go:5: import example.com/bus/internal/engine breaks "layer dlq"`,
	},
	{
		name: "wire imports dlq",
		path: "internal/wire/wire.go",
		text: "package wire\nimport _ \"example.com/bus/dlq\"",
		want: `internal/wire/wire.go:2: import example.com/bus/dlq breaks "layer wire"`,
	},
	{
		name: "the engine imports what lies beneath it",
		path: "internal/engine/run.go",
		text: "package engine\nimport _ \"example.com/bus\"\nimport _ \"example.com/bus/dlq\"\nimport _ \"example.com/bus/internal/wire\"",
	},
	{
		name: "the engine imports a backend",
		path: "internal/engine/run.go",
		text: "package engine\nimport _ \"example.com/bus/memory\"",
		want: `internal/engine/run.go:2: import example.com/bus/memory breaks "layer engine"`,
	},
	{
		name: "a backend imports another",
		path: "redisbus/bus.go",
		text: "package redisbus\nimport _ \"example.com/bus/memory\"",
		want: `redisbus/bus.go:2: import example.com/bus/memory breaks "layer Redis backend"`,
	},
	{
		name: "a backend imports another's client",
		path: "kafkabus/bus.go",
		text: "package kafkabus\nimport _ \"github.com/redis/go-redis/v9\"",
		want: `kafkabus/bus.go:2: import github.com/redis/go-redis/v9 breaks "layer Kafka backend"`,
	},
	{
		name: "a backend imports its own client and the engine",
		path: "redisbus/bus.go",
		text: "package redisbus\nimport _ \"github.com/redis/go-redis/v9\"\nimport _ \"example.com/bus/internal/engine\"",
	},
	{
		name: "the suite imports testing and the root",
		path: "bustest/run.go",
		text: "package bustest\nimport _ \"testing\"\nimport _ \"testing/synctest\"\nimport _ \"example.com/bus\"",
	},
	{
		name: "the suite imports the engine",
		path: "bustest/run.go",
		text: "package bustest\nimport _ \"example.com/bus/internal/engine\"",
		want: `bustest/run.go:2: import example.com/bus/internal/engine breaks "layer public test suites"`,
	},
	{
		name: "the suite's own test uses testify",
		path: "bustest/run_test.go",
		text: "package bustest\nimport _ \"github.com/stretchr/testify/require\"",
		want: `bustest/run_test.go:2: import github.com/stretchr/testify/require breaks "public suites use the standard library's testing"`,
	},
	{
		name: "testify in code",
		path: "cmd/eventbus/main.go",
		text: "package main\nimport _ \"github.com/stretchr/testify/require\"",
		want: `cmd/eventbus/main.go:2: import github.com/stretchr/testify/require breaks "testify in tests only"`,
	},
	{
		name: "testing in code",
		path: "memory/bus.go",
		text: "package memory\nimport _ \"testing/iotest\"",
		want: `memory/bus.go:2: import testing/iotest breaks "testing in tests only"`,
	},
	{
		name: "tests may import testify, testing and any package",
		path: "internal/engine/run_test.go",
		text: "package engine\nimport _ \"testing\"\nimport _ \"github.com/stretchr/testify/require\"\nimport _ \"example.com/bus/bustest\"",
	},
	{
		name: "an init function",
		path: "memory/bus.go",
		text: "package memory\nvar x int\nfunc init() { x = 1 }",
		want: `memory/bus.go:3: func init breaks "no init functions"`,
	},
	{
		name: "a method named init is not one",
		path: "memory/bus.go",
		text: "package memory\ntype bus struct{}\nfunc (*bus) init() {}",
	},
	{
		name: "a sleeping test, whatever it calls the package",
		path: "memory/bus_test.go",
		text: "package memory\nimport clock \"time\"\nfunc wait() {\n\tclock.Sleep(1)\n}",
		want: `memory/bus_test.go:4: call of time.Sleep breaks "no sleeping in tests"`,
	},
	{
		name: "a test that sleeps in virtual time",
		path: "memory/bus_test.go",
		text: "package memory\nimport \"testing\"\nimport \"testing/synctest\"\nimport \"time\"\nfunc TestX(t *testing.T) {\n\tsynctest.Test(t, func(t *testing.T) { time.Sleep(1) })\n}",
	},
	{
		name: "a sleeping suite",
		path: "bustest/run.go",
		text: "package bustest\nimport \"time\"\nfunc wait() { time.Sleep(1) }",
		want: `bustest/run.go:3: call of time.Sleep breaks "no sleeping in the public suites"`,
	},
	{
		name: "an example reaches inside",
		path: "examples/orders/main.go",
		text: "package main\nimport _ \"example.com/bus/internal/engine\"",
		want: `examples/orders/main.go:2: import example.com/bus/internal/engine breaks "layer examples"`,
	},
	{
		name: "a package without a layer",
		path: "natsbus/bus.go",
		text: "package natsbus",
		want: `natsbus/bus.go: package natsbus breaks "every package has a layer"`,
	},
	{
		name: "what the go command ignores",
		path: "memory/testdata/bad.go",
		text: "package bad\nimport _ \"github.com/stretchr/testify/require\"",
	},
}

func TestTheCheckFindsEachBreakage(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files, err := scan(fstest.MapFS{
				"go.mod": {Data: []byte("module example.com/bus\n")},
				c.path:   {Data: []byte(c.text)},
			})
			require.NoError(t, err)
			found := check(files, layers, bans)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, c.want+": "+found[0].why, found[0].String())
			require.NotEmpty(t, found[0].why)
		})
	}
}
