package engine

import (
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
)

// Overtaken refuses, in the errors of one Send, what was not stored and stands before something
// that is, or may be: sent again, it would be behind that. It is for transports whose servers
// take the messages of a Send one by one.
func Overtaken(errs []error) []error {
	stored := false // a later one is, or may be
	for i := len(errs) - 1; i >= 0; i-- {
		if stored && errors.Is(errs[i], ErrNotStored) {
			errs[i] = fmt.Errorf("%w, and later events were stored: %v", eventbus.ErrRefused, errs[i]) //nolint:errorlint // it must not be taken for one to send again
		}
		stored = stored || errs[i] == nil || errors.Is(errs[i], eventbus.ErrUnknown)
	}
	return errs
}
