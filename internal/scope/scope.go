// Package scope names what the engine puts into a handler's context.
package scope

// Key is the type of the context keys that the engine answers.
type Key int

// Delivery is the key of the eventbus.Delivery that is being handled; Owner is
// the key of the engine's own record of it, Drain that of a Drain that handles it.
const (
	Delivery Key = iota
	Owner
	Drain
)
