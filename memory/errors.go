package memory

import (
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// FullError says which group had no room for an event: nothing was stored. It
// matches [eventbus.ErrFull] and [eventbus.ErrRefused].
type FullError struct {
	Group    string // "<group>.<subscriber>"; empty: the queue of a bus in the mode Manual
	Waiting  int    // events that no member has taken yet
	Capacity int    // how many may wait or be under way
	Members  int    // 0: nobody is there to take them
	Err      error  // what ended the wait for room; nil where none was wanted
}

func (e *FullError) Error() string {
	s := "full: " + e.where()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *FullError) where() string {
	if e.Group == "" {
		return fmt.Sprintf("the queue holds the %d events that Capacity allows: call Drain, or raise Capacity", e.Capacity)
	}
	s := fmt.Sprintf("group %s holds the %d events that Capacity allows, and %d of them wait: ", e.Group, e.Capacity, e.Waiting)
	if e.Members == 0 {
		return s + "it has no member; Subscribe one, or remove it with DeleteGroup"
	}
	return s + fmt.Sprintf("its members (%d) do not keep up; quicken the handler, or raise Concurrency or Capacity", e.Members)
}

// Is reports whether target is ErrFull or ErrRefused.
func (e *FullError) Is(target error) bool {
	return target == eventbus.ErrFull || target == eventbus.ErrRefused
}

// Unwrap returns what ended the wait.
func (e *FullError) Unwrap() error { return e.Err }

var errClosed = refused(eventbus.ErrClosed)

func refused(cause error) error { return fmt.Errorf("%w: %w", eventbus.ErrRefused, cause) }

func noSuchGroup(name string) error {
	return &eventbus.ValidationError{Field: "group", Rule: "must exist; Subscribe makes it, DeleteGroup removes it", Value: excerpt.Of(name)}
}
