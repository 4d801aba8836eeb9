// Package scope names what the engine puts into a handler's context.
package scope

import "context"

// Key is the type of the context keys that the engine answers.
type Key int

// Delivery is the key of the eventbus.Delivery that is being handled; Owner is
// the key of the engine's own record of it, Drain that of a Drain that handles it.
const (
	Delivery Key = iota
	Owner
	Drain
)

// Attempt is what the record under Owner tells about itself.
type Attempt interface {
	// Running reports whether the handler has not returned.
	Running() bool
}

// Handling reports whether ctx is that of a handler which has not returned, of
// whichever bus.
func Handling(ctx context.Context) bool {
	a, ok := ctx.Value(Owner).(Attempt)
	return ok && a.Running()
}
