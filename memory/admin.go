package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Gauge tells what waits in the broker, for all groups.
func (in *instance) Gauge(ctx context.Context) (engine.Gauges, error) {
	if err := ctx.Err(); err != nil {
		return engine.Gauges{}, err
	}
	t := in.broker.table.Load()
	g := engine.Gauges{Waiting: make(map[string]int, len(t.bindings)), BeyondBound: in.broker.beyond.Load()}
	for _, b := range t.bindings {
		b.mu.Lock()
		g.Waiting[b.name] = b.waiting()
		b.mu.Unlock()
	}
	return g, nil
}

// Groups lists the groups of the broker, sorted.
func (in *instance) Groups(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(in.broker.table.Load().groups)), nil
}

// DeleteGroup removes a group, with what waits in it. One that has a member or
// does not exist is refused with an [eventbus.ValidationError].
func (in *instance) DeleteGroup(ctx context.Context, group string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return in.broker.delete(group)
}

func (b *Broker) delete(group string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	q := t.queue(group)
	if q == nil {
		return noSuchGroup(group)
	}
	if members := q.delete(); members > 0 {
		return &eventbus.ValidationError{
			Field: "group", Value: excerpt.Of(group),
			Rule: fmt.Sprintf("must have no member; stop its subscriptions first, there are %d", members),
		}
	}
	b.table.Store(t.without(q))
	b.ledger.forget(group)
	return nil
}
