package eventbus

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Options are what every backend's Options have in common. The zero value works.
type Options struct {
	// Group names the service; its subscribers are groups "<Group>.<Name>" of the
	// backend. Zero means "default".
	Group string
	// Source is the CloudEvents source of events that have none. Zero means
	// "/<Group>".
	Source string
	// Retry is the policy of subscribers that have none. Zero means 5 attempts,
	// from 100 ms doubling to 30 s.
	Retry RetryPolicy
	// Middleware wraps every handler, the first outermost. Zero means none.
	Middleware []Middleware
	// Observer is told what happens. Zero means nobody.
	Observer Observer
	// Logger gets what no caller gets, rate-limited. Zero means slog.Default().
	Logger *slog.Logger
	// PublishTimeout bounds a Publish whose context has no earlier end, the wait behind what
	// others publish included. What is being sent when it is over is unknown. Zero means 30 s.
	PublishTimeout time.Duration
	// Hold bounds how long an ordered subscriber waits in retries of one event
	// before it is buried and later events of the aggregate go on. Zero means 2 min.
	Hold time.Duration
	// Window bounds the deliveries under way or held, for each source of each
	// subscriber. Zero means 1,000.
	Window int
	// MaxBytes bounds the payload and headers of one event, as encoded. Zero means
	// 983,040 (960 KiB).
	MaxBytes int
	// DeadLetters says what becomes of events that no attempt could handle. Zero
	// means KeepLetters.
	DeadLetters DeadLetterMode
	// NoTelemetry switches traces and metrics off. Zero means on.
	NoTelemetry bool
	// StrictNames refuses event types that are not <aggregate>.<happened> in lower
	// case. Zero means that any legal name is taken.
	StrictNames bool
	// Clock is the time. Zero means the system's.
	Clock Clock
	// Rand spreads retry delays. It is used by one goroutine at a time. Zero means
	// a random seed.
	Rand *rand.Rand
}

// DeadLetterMode says what becomes of events that no attempt could handle.
type DeadLetterMode int

const (
	// KeepLetters keeps them as dead letters, to be inspected and replayed.
	KeepLetters DeadLetterMode = iota
	// DropLetters acknowledges them; each is observed, counted and logged.
	DropLetters
	// BlockLetters goes on trying them at the policy's longest wait, for ever.
	BlockLetters
)

const (
	defaultMaxBytes = 960 << 10
	limitMaxBytes   = 128 << 20
	limitWindow     = 1_000_000
)

// WithDefaults returns the options with every zero field replaced by its meaning.
func (o Options) WithDefaults() Options {
	if o.Group == "" {
		o.Group = "default"
	}
	if o.Source == "" {
		o.Source = "/" + o.Group
	}
	o.Retry = o.Retry.WithDefaults()
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.PublishTimeout == 0 {
		o.PublishTimeout = 30 * time.Second
	}
	if o.Hold == 0 {
		o.Hold = 2 * time.Minute
	}
	if o.Window == 0 {
		o.Window = 1000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Clock == nil {
		o.Clock = SystemClock()
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return o
}

// Validate returns everything that is wrong with options whose defaults are
// filled in, joined; each is a [ValidationError].
func (o Options) Validate() error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	add(checkName("group", o.Group))
	if !isText(o.Source, maxSourceBytes) {
		add(invalid("source", "must be at most 1024 bytes of UTF-8 without control characters", excerpt.Of(o.Source)))
	}
	errs = append(errs, o.Retry.validate("retry")...)
	for i, m := range o.Middleware {
		if m == nil {
			add(invalid(fmt.Sprintf("middleware[%d]", i), "must not be nil", ""))
		}
	}
	if o.PublishTimeout < 0 {
		add(invalid("publish_timeout", "must not be negative", o.PublishTimeout.String()))
	}
	if o.Hold < 0 {
		add(invalid("hold", "must not be negative", o.Hold.String()))
	}
	if o.Window < 0 || o.Window > limitWindow {
		add(invalid("window", "must be from 1 to 1,000,000", fmt.Sprint(o.Window)))
	}
	if o.MaxBytes < 0 || o.MaxBytes > limitMaxBytes {
		add(invalid("max_bytes", "must be from 1 to 134,217,728", fmt.Sprint(o.MaxBytes)))
	}
	if o.DeadLetters < KeepLetters || o.DeadLetters > BlockLetters {
		add(invalid("dead_letters", "must be KeepLetters, DropLetters or BlockLetters", fmt.Sprint(int(o.DeadLetters))))
	}
	return joined(errs)
}

// Clock is the time that drives delays, time-outs and stamps.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in its own goroutine after d.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is what Clock.AfterFunc returns; see [time.Timer].
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

// SystemClock returns the system's clock.
func SystemClock() Clock { return systemClock{} }

type systemClock struct{}

func (systemClock) Now() time.Time                            { return time.Now() }
func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
