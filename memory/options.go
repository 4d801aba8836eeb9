package memory

import (
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
)

// Options are the settings of a bus with a broker of its own. The zero value
// works.
type Options struct {
	eventbus.Options
	// Mode says which goroutines run the handlers. Zero means Concurrent.
	Mode Mode
	// Capacity bounds the events of one subscriber that wait or are under way. Zero
	// means 65,536.
	Capacity int
	// WhenFull says what Publish does when a subscriber has no room. Zero means
	// WaitWhenFull.
	WhenFull FullMode
	// Encode sends every event through the wire format, as a broker would. Zero
	// means that a typed handler gets the value as published.
	Encode bool
	// MaxLetters bounds the dead letters. Zero means 100,000.
	MaxLetters int
}

// BrokerOptions are the settings of a [Broker]. The zero value works.
type BrokerOptions struct {
	// Capacity bounds the events of one group that wait or are under way. Zero means
	// 65,536.
	Capacity int
	// WhenFull says what Publish does when a group has no room. Zero means
	// WaitWhenFull.
	WhenFull FullMode
	// Encode sends every event through the wire format, as a broker would. Zero
	// means that a typed handler gets the value as published.
	Encode bool
	// MaxLetters bounds the dead letters of all groups together. Zero means 100,000.
	MaxLetters int
	// Clock is the time, also of buses that have none of their own. Zero means the
	// system's.
	Clock eventbus.Clock
}

// FullMode says what Publish does when a subscriber has no room for an event.
type FullMode = eventbus.FullMode

const (
	// WaitWhenFull waits for room until the context or the publish time-out ends, in
	// the order of coming.
	WaitWhenFull = eventbus.WaitWhenFull
	// FailWhenFull returns a [FullError] at once.
	FailWhenFull = eventbus.FailWhenFull
)

const (
	defaultCapacity   = 65_536
	defaultMaxLetters = 100_000
	limit             = 10_000_000
)

// broker returns the broker's part.
func (o Options) broker() BrokerOptions {
	return BrokerOptions{Capacity: o.Capacity, WhenFull: o.WhenFull, Encode: o.Encode, MaxLetters: o.MaxLetters, Clock: o.Clock}
}

func (o BrokerOptions) withDefaults() BrokerOptions {
	if o.Capacity == 0 {
		o.Capacity = defaultCapacity
	}
	if o.MaxLetters == 0 {
		o.MaxLetters = defaultMaxLetters
	}
	if o.Clock == nil {
		o.Clock = eventbus.SystemClock()
	}
	return o
}

// validate returns everything that is wrong, joined.
func (o BrokerOptions) validate() error {
	var errs []error
	bad := func(field, rule string, value int) {
		errs = append(errs, &eventbus.ValidationError{Field: field, Rule: rule, Value: fmt.Sprint(value)})
	}
	if o.Capacity < 0 || o.Capacity > limit {
		bad("capacity", "must be from 1 to 10,000,000, or 0 for the default", o.Capacity)
	}
	if o.WhenFull != WaitWhenFull && o.WhenFull != FailWhenFull {
		bad("when_full", "must be WaitWhenFull or FailWhenFull", int(o.WhenFull))
	}
	if o.MaxLetters < 0 || o.MaxLetters > limit {
		bad("max_letters", "must be from 1 to 10,000,000, or 0 for the default", o.MaxLetters)
	}
	return errors.Join(errs...)
}
