package eventbus

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Subscriber is a named handler of a service. It is one group of the backend,
// "<group>.<name>", with its own position, retries, dead letters and lag; its
// instances in many processes share the work. Keep both names stable.
type Subscriber struct {
	// Name is unique within the group: 1 to 100 bytes of [A-Za-z0-9_-].
	Name string
	// Handler handles the events.
	Handler Handler
	// Events are patterns over event types: order.created, order.*, *.created, #.
	// Zero means what the typed Handler declares.
	Events []string
	// From is where a new group starts. Zero means Beginning. A backend that does
	// not retain events starts with the first one published after Subscribe.
	From Start
	// Retry is the policy for failed attempts. Zero means the bus's.
	Retry RetryPolicy
	// Timeout bounds one attempt: then the handler's context ends. Zero means 30 s.
	Timeout time.Duration
	// Unordered lets later events of an aggregate pass one that is being retried,
	// which then survives a crash in the backend and holds nothing up.
	Unordered bool
	// Concurrency is how many handlers may run at once. Zero means 16.
	Concurrency int
	// Unmatched says what becomes of events that match a pattern but no case of a
	// typed handler. Zero means BuryUnmatched.
	Unmatched Unmatched
	// Group replaces Options.Group. Zero means the bus's.
	Group string
}

// Unmatched is what becomes of an event for which a typed handler has no case.
type Unmatched int

const (
	// BuryUnmatched makes a dead letter of it, with the reason unknown type.
	BuryUnmatched Unmatched = iota
	// SkipUnmatched acknowledges and counts it.
	SkipUnmatched
)

// Start is a position in the retained events. The zero value is Beginning.
type Start struct {
	kind startKind
	at   time.Time
}

type startKind int

const (
	startBeginning startKind = iota
	startNow
	startAt
)

// Beginning starts with the oldest event that is retained.
func Beginning() Start { return Start{} }

// Now starts with the first event published after Subscribe.
func Now() Start { return Start{kind: startNow} }

// At starts with the first event published at t or later.
func At(t time.Time) Start { return Start{kind: startAt, at: t} }

// IsNow reports whether the start is [Now].
func (s Start) IsNow() bool { return s.kind == startNow }

// Time returns the time given to [At], or the zero time.
func (s Start) Time() time.Time { return s.at }

// WithDefaults returns the subscriber with the bus's settings and the meaning of
// zero fields filled in.
func (s Subscriber) WithDefaults(o Options) Subscriber {
	if s.Group == "" {
		s.Group = o.Group
	}
	if s.Retry == (RetryPolicy{}) {
		s.Retry = o.Retry
	}
	s.Retry = s.Retry.WithDefaults()
	if s.Timeout == 0 {
		s.Timeout = 30 * time.Second
	}
	if s.Concurrency == 0 {
		s.Concurrency = 16
	}
	if len(s.Events) == 0 {
		s.Events = eventTypes(s.Handler)
	}
	return s
}

// Validate returns everything that is wrong with a subscriber whose defaults are
// filled in, joined.
func (s Subscriber) Validate(o Options) error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	add(checkName("name", s.Name))
	add(checkName("group", s.Group))
	add(validateHandler(s.Handler))
	if len(s.Events) == 0 && len(errs) == 0 {
		add(invalid("events", "required: the handler declares no event types", ""))
	}
	for _, p := range s.Events {
		add(Pattern(p).Validate())
	}
	retry := s.Retry.validate("retry")
	errs = append(errs, retry...)
	if longest := s.Retry.Longest(); len(retry) == 0 && !s.Unordered && longest > o.Hold {
		add(invalid("retry", fmt.Sprintf("an ordered subscriber holds an event at most %v (Options.Hold); lower attempts or max, raise Hold, or set Unordered", o.Hold), longest.String()))
	}
	if s.Timeout < 0 {
		add(invalid("timeout", "must not be negative", s.Timeout.String()))
	}
	if s.Concurrency < 0 || s.Concurrency > 100_000 {
		add(invalid("concurrency", "must be from 1 to 100,000", fmt.Sprint(s.Concurrency)))
	}
	if s.Unmatched < BuryUnmatched || s.Unmatched > SkipUnmatched {
		add(invalid("unmatched", "must be BuryUnmatched or SkipUnmatched", fmt.Sprint(int(s.Unmatched))))
	}
	return joined(errs)
}

func checkName(field, name string) error {
	const limit = 100
	if !isWord(name) || len(name) > limit {
		return invalid(field, "must be 1 to 100 bytes of [A-Za-z0-9_-], without dots", excerpt.Of(name))
	}
	return nil
}

func joined(errs []error) error { return errors.Join(errs...) }
