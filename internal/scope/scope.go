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

// Attempt is what the records under Owner and Drain tell about themselves.
type Attempt interface {
	// Running reports whether the handler has not returned.
	Running() bool
}

// Handling reports whether ctx is that of a handler which has not returned, of
// whichever bus.
func Handling(ctx context.Context) bool {
	for _, key := range []Key{Owner, Drain} {
		if a, ok := ctx.Value(key).(Attempt); ok && a.Running() {
			return true
		}
	}
	return false
}

// Engine is a parameter of methods that are the engine's alone to call: nobody outside
// this module can declare one of them by chance.
type Engine struct{}
