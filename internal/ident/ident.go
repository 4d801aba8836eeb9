// Package ident makes the identifiers of events.
package ident

import "github.com/google/uuid"

// New returns a fresh identifier: a UUIDv7, so that identifiers sort by time.
func New() string {
	id, err := uuid.NewV7()
	if err != nil { // the system's random source failed, which Go itself treats as fatal
		return uuid.NewString()
	}
	return id.String()
}
