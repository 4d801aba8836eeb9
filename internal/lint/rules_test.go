package lint

// Every package of the library belongs to the first layer that names its
// directory. A layer lists what the code beneath it may import; tests are freer and
// are held by the bans alone. Names are directories of the repository, "." being
// the root; "dir/*" is what lies directly in dir, "dir/..." is dir and all beneath.

type layer struct {
	name     string
	packages []string // directories that belong to it
	own      []string // directories of the repository that it may import; "..." is any
	foreign  []string // packages outside the standard library, by prefix; "..." is any
	why      string
}

// vocabulary is what everything may import: the otel API without its SDK, and uuid.
var vocabulary = []string{
	"github.com/google/uuid",
	"go.opentelemetry.io/otel/attribute",
	"go.opentelemetry.io/otel/baggage",
	"go.opentelemetry.io/otel/codes",
	"go.opentelemetry.io/otel/metric",
	"go.opentelemetry.io/otel/propagation",
	"go.opentelemetry.io/otel/semconv",
	"go.opentelemetry.io/otel/trace",
	"=go.opentelemetry.io/otel", // itself only: the SDK and the exporters lie beneath
}

func plus(more ...string) []string { return append(more, vocabulary...) }

// The order matters: internal/* stands after the internal packages with a layer of
// their own, and is the vocabulary beneath the root.
var layers = []layer{
	{
		name:     "root",
		packages: []string{"."},
		own:      []string{"internal/*"},
		foreign:  vocabulary,
		why:      "the root holds vocabulary only, so that importing it costs a user nothing",
	},
	{
		name:     "dlq",
		packages: []string{"dlq"},
		own:      []string{".", "internal/*"},
		foreign:  vocabulary,
		why:      "letters are stored and listed without an engine",
	},
	{
		name:     "wire",
		packages: []string{"internal/wire"},
		own:      []string{".", "internal/*"},
		foreign:  vocabulary,
		why:      "the envelope's form knows neither engine nor backend",
	},
	{
		name:     "engine",
		packages: []string{"internal/engine"},
		own:      []string{".", "dlq", "internal/wire", "internal/*"},
		foreign:  plus("golang.org/x/sync"),
		why:      "dependencies point one way: backend, engine, dlq, root; the engine sees a backend through its seam",
	},
	{
		name:     "lint",
		packages: []string{"internal/lint"},
		why:      "a test only",
	},
	{
		name:     "simulation",
		packages: []string{"internal/simulation"},
		why:      "tests only, which see the engine as a backend does",
	},
	{
		name:     "letters as text",
		packages: []string{"internal/letterline"},
		own:      []string{".", "dlq", "internal/wire"},
		foreign:  vocabulary,
		why:      "what backends that store letters have in common; it knows none of them",
	},
	{
		name:     "letters twice",
		packages: []string{"internal/lettertwins"},
		own:      []string{".", "dlq", "internal/wire"},
		foreign:  vocabulary,
		why:      "what the tests of letter stores have in common; it knows none of them",
	},
	{
		name:     "internal vocabulary",
		packages: []string{"internal/*"},
		own:      []string{"internal/*"},
		foreign:  vocabulary,
		why:      "what the root imports follows the root's rule (a package above the root needs a layer of its own here)",
	},
	{
		name:     "memory backend",
		packages: []string{"memory", "memory/..."},
		own:      backend("memory"),
		foreign:  vocabulary,
		why:      "a backend is beside the others and brings no client but its own",
	},
	{
		name:     "Redis backend",
		packages: []string{"redisbus", "redisbus/..."},
		own:      backend("redisbus"),
		foreign:  plus("github.com/redis/go-redis"),
		why:      "a backend is beside the others and brings no client but its own",
	},
	{
		name:     "RabbitMQ backend",
		packages: []string{"rabbitbus", "rabbitbus/..."},
		own:      backend("rabbitbus"),
		foreign:  plus("github.com/rabbitmq/amqp091-go"),
		why:      "a backend is beside the others and brings no client but its own",
	},
	{
		name:     "Kafka backend",
		packages: []string{"kafkabus", "kafkabus/..."},
		own:      backend("kafkabus"),
		foreign:  plus("github.com/segmentio/kafka-go", "github.com/twmb/franz-go"),
		why:      "a backend is beside the others and brings no client but its own",
	},
	{
		name:     "public test suites",
		packages: []string{"bustest", "eventtest"},
		own:      []string{".", "dlq"},
		foreign:  vocabulary,
		why:      "a foreign backend runs them with nothing but the public interfaces and the standard library's testing",
	},
	{
		name:     "config",
		packages: []string{"config"},
		own:      []string{".", "dlq", "memory", "redisbus", "rabbitbus", "kafkabus", "internal/*"},
		foreign:  []string{"..."},
		why:      "the one place that knows every backend still knows no engine",
	},
	{
		name:     "examples",
		packages: []string{"examples/..."},
		own:      []string{".", "dlq", "memory", "redisbus", "rabbitbus", "kafkabus", "config", "bustest", "eventtest", "examples/..."},
		foreign:  []string{"..."},
		why:      "an example shows what a user can write",
	},
	{
		name:     "programs and measurements",
		packages: []string{"cmd/...", "bench/...", "integration/..."},
		own:      []string{"..."},
		foreign:  []string{"..."},
		why:      "nobody imports them",
	},
}

func backend(dir string) []string {
	return []string{".", "dlq", "internal/engine", "internal/letterline", "internal/wire", "internal/*", dir + "/..."}
}

// scope says in which files a ban holds.
type scope struct {
	code, tests bool     // in code, in _test.go files
	only        []string // directories; none is all of them
	except      []string
}

// A ban forbids imports (by prefix; "=" before it: that package alone), functions
// called by their full name, or declarations.
type ban struct {
	name    string
	imports []string
	calls   []string
	// inVirtualTime allows the calls inside a function literal given to synctest.Test.
	inVirtualTime bool
	initFunctions bool
	in            scope
	why           string
}

var testsOnly = []string{"bustest", "eventtest", "bench/...", "integration/..."}

var bans = []ban{
	{
		name:    "testify in tests only",
		imports: []string{"github.com/stretchr/testify"},
		in:      scope{code: true},
		why:     "whoever imports the library would link it into a service",
	},
	{
		name:    "public suites use the standard library's testing",
		imports: []string{"github.com/stretchr/testify"},
		in:      scope{code: true, tests: true, only: []string{"bustest", "eventtest"}},
		why:     "a foreign backend runs them without our test dependencies",
	},
	{
		name:    "testing in tests only",
		imports: []string{"testing"},
		in:      scope{code: true, except: testsOnly},
		why:     "it adds flags and weight to a service",
	},
	{
		name:          "no init functions",
		initFunctions: true,
		in:            scope{code: true, except: []string{"cmd/...", "examples/...", "bench/...", "integration/..."}},
		why:           "importing a package does nothing; what is needed is passed in",
	},
	{
		name:          "no sleeping in tests",
		calls:         []string{"time.Sleep"},
		inVirtualTime: true,
		in:            scope{tests: true, except: []string{"bench/..."}},
		why:           "a sleep is slow and flaky: wait for what should happen, or run inside synctest.Test",
	},
	{
		name:  "no sleeping in the public suites",
		calls: []string{"time.Sleep"},
		in:    scope{code: true, only: []string{"bustest", "eventtest"}},
		why:   "they run on real brokers too: wait for what should happen",
	},
}
