// Package engine is the one engine beneath every backend: publishing, lanes,
// attempts, settling, shutdown. transport.go is the seam to the backends.
// docs/design.md tells the way of an event, the lock order and the shutdown order.
package engine
