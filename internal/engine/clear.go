package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-28af575d/eventbus/dlq"
)

// Clear ends all subscriptions of the bus, and removes its groups, with what waits in
// them, and its letters, so that a test can begin anew. The counters of the bus stay.
func (b *Bus) Clear(ctx context.Context) error {
	if err := b.clear(ctx); err != nil {
		return fmt.Errorf("eventbus: clear: %w", err)
	}
	return nil
}

func (b *Bus) clear(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	if b.attemptIn(ctx) != nil {
		return errWaitsForItself
	}
	var errs []error
	for _, s := range b.subscriptions() {
		errs = append(errs, s.Stop(ctx))
	}
	if admin, ok := b.backend.Transport.(GroupAdmin); ok {
		errs = append(errs, b.deleteGroups(ctx, admin))
	}
	b.types.forget()
	_, err := b.letters.Purge(ctx, dlq.All)
	return errors.Join(append(errs, err)...)
}

// deleteGroups removes the groups of the bus's services.
func (b *Bus) deleteGroups(ctx context.Context, admin GroupAdmin) error {
	groups, err := admin.Groups(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, service := range b.serviceGroups() {
		for _, group := range groups {
			if strings.HasPrefix(group, service+".") {
				errs = append(errs, admin.DeleteGroup(ctx, group))
			}
		}
	}
	return errors.Join(errs...)
}
