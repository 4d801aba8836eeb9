package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Topics returns none: events are kept nowhere.
func (d *Direct) Topics(ctx context.Context) ([]eventbus.TopicInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("eventbus: topics: %w", err)
	}
	return nil, nil
}

// Group tells how far a group is; see [eventbus.Inspector].
func (d *Direct) Group(ctx context.Context, group string) (eventbus.GroupInfo, error) {
	info, err := d.survey(ctx, group)
	if err != nil {
		return eventbus.GroupInfo{}, fmt.Errorf("eventbus: group %s: %w", excerpt.Of(group), err)
	}
	return info, nil
}

func (d *Direct) survey(ctx context.Context, group string) (info eventbus.GroupInfo, err error) {
	r := d.directory.Load().byGroup(group)
	if r == nil {
		return info, noGroup(group)
	}
	st := r.snapshot()
	info = eventbus.GroupInfo{
		Name: group, Backlog: eventbus.Backlog{Lag: st.Waiting, Pending: st.InFlight},
		Members: []eventbus.MemberInfo{{Name: "1", Pending: st.InFlight, Alive: true}},
	}
	info.Letters, err = dlq.Count(ctx, d.store, dlq.Filter{Group: st.Group, Subscriber: st.Subscriber})
	return info, err
}

// Groups lists the groups; see [eventbus.Admin].
func (d *Direct) Groups(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("eventbus: groups: %w", err)
	}
	var names []string
	for _, r := range d.directory.Load().all {
		names = append(names, r.group)
	}
	slices.Sort(names)
	return names, nil
}

// DeleteGroup refuses: a group ends with its subscription.
func (d *Direct) DeleteGroup(ctx context.Context, group string) error {
	return fmt.Errorf("eventbus: delete group: %w", errors.Join(ctx.Err(), d.busy(group)))
}

// ResetGroup refuses: a group ends with its subscription.
func (d *Direct) ResetGroup(ctx context.Context, group string, _ eventbus.Start) error {
	return fmt.Errorf("eventbus: reset group: %w", errors.Join(ctx.Err(), d.busy(group)))
}

func (d *Direct) busy(group string) error {
	if d.directory.Load().byGroup(group) == nil {
		return noGroup(group)
	}
	return &eventbus.ValidationError{Field: "group", Rule: "must have no member; stop its subscription first", Value: excerpt.Of(group)}
}

func noGroup(group string) error {
	return &eventbus.ValidationError{Field: "group", Rule: "must exist: in this mode a group ends with its subscription", Value: excerpt.Of(group)}
}
