package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

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
		return hasMembers(group, members)
	}
	b.table.Store(t.without(q))
	b.ledger.forget(group)
	return nil
}

func hasMembers(group string, members int) error {
	return &eventbus.ValidationError{
		Field: "group", Value: excerpt.Of(group),
		Rule: fmt.Sprintf("must have no member; stop its subscriptions first, there are %d", members),
	}
}

// ResetGroup empties a group: nothing is retained that it could be handed again. One
// that has a member or does not exist is refused with an [eventbus.ValidationError].
func (in *instance) ResetGroup(ctx context.Context, group string, from eventbus.Start) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := in.broker.table.Load().queue(group)
	switch {
	case q == nil:
		return noSuchGroup(group)
	case !from.IsNow():
		return fmt.Errorf("%w: events are not retained here: a group can be reset to Now alone", errors.ErrUnsupported)
	}
	if members := q.reset(); members > 0 {
		return hasMembers(group, members)
	}
	in.broker.ledger.forget(group)
	return nil
}

// Topics returns none: events are held for groups alone.
func (in *instance) Topics(ctx context.Context) ([]eventbus.TopicInfo, error) { return nil, ctx.Err() }

// Group tells what is in the queue of a group. Its members are numbered.
func (in *instance) Group(ctx context.Context, group string) (eventbus.GroupInfo, error) {
	if err := ctx.Err(); err != nil {
		return eventbus.GroupInfo{}, err
	}
	q := in.broker.table.Load().queue(group)
	if q == nil {
		return eventbus.GroupInfo{}, noSuchGroup(group)
	}
	return q.info(), nil
}

func (q *queue) info() eventbus.GroupInfo {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := eventbus.GroupInfo{Name: q.name, Backlog: eventbus.Backlog{Lag: q.available(), Delayed: len(q.delayed)}}
	for i, s := range q.members {
		n := s.unacked.len()
		g.Pending += n
		g.Members = append(g.Members, eventbus.MemberInfo{Name: strconv.Itoa(i + 1), Pending: n, Alive: true})
	}
	return g
}
