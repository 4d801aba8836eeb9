package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Groups lists the backend's groups; see [eventbus.Admin].
func (b *Bus) Groups(ctx context.Context) ([]string, error) {
	admin, err := b.admin()
	if err != nil {
		return nil, err
	}
	groups, err := admin.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("eventbus: groups: %w", err)
	}
	return groups, nil
}

// DeleteGroup removes a group without members; see [eventbus.Admin].
func (b *Bus) DeleteGroup(ctx context.Context, group string) error {
	admin, err := b.admin()
	if err != nil {
		return err
	}
	if err := admin.DeleteGroup(ctx, group); err != nil {
		return fmt.Errorf("eventbus: delete group %s: %w", excerpt.Of(group), err)
	}
	return nil
}

// ResetGroup lets a group without members begin anew; see [eventbus.Admin].
func (b *Bus) ResetGroup(ctx context.Context, group string, from eventbus.Start) error {
	admin, err := b.admin()
	if err != nil {
		return err
	}
	if err := admin.ResetGroup(ctx, group, from); err != nil {
		return fmt.Errorf("eventbus: reset group %s: %w", excerpt.Of(group), err)
	}
	return nil
}

func (b *Bus) admin() (GroupAdmin, error) {
	if admin, ok := b.backend.Transport.(GroupAdmin); ok {
		return admin, nil
	}
	return nil, fmt.Errorf("eventbus: %w: this backend cannot manage groups", errors.ErrUnsupported)
}
