package redisbus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

var (
	_ engine.Gauger     = (*transport)(nil)
	_ engine.GroupAdmin = (*transport)(nil)
)

// Gauge tells what waits on the server for the groups that have members here.
func (t *transport) Gauge(ctx context.Context) (engine.Gauges, error) {
	t.mu.Lock()
	members := make([]*member, 0, len(t.members))
	for m := range t.members {
		members = append(members, m)
	}
	t.mu.Unlock()
	g := engine.Gauges{Waiting: map[string]int{}}
	if len(members) == 0 {
		_, err := ask(ctx, t.clients, func() (int64, error) { return t.clients.commands.Exists(ctx, t.names.topics()).Result() })
		return g, typed(err)
	}
	for _, m := range members {
		n, err := t.waiting(ctx, m)
		if err != nil {
			return g, err
		}
		g.Waiting[m.group.Name] = n
	}
	return g, nil
}

// waiting counts what no process was handed yet, retries that are not due among it.
func (t *transport) waiting(ctx context.Context, m *member) (n int, err error) {
	topics, err := t.wanted(ctx, m.group.Patterns)
	if err != nil {
		return 0, fmt.Errorf("redisbus: list topics: %w", typed(err))
	}
	views, err := t.views(ctx, m.group.Name, topics)
	if err != nil {
		return 0, err
	}
	for _, v := range views {
		b, err := v.backlog(ctx, t)
		if err != nil {
			return 0, err
		}
		n += b.Lag + b.Delayed
	}
	return n, nil
}

// Groups lists the groups, sorted.
func (t *transport) Groups(ctx context.Context) ([]string, error) {
	groups, err := ask(ctx, t.clients, func() ([]string, error) { return t.clients.commands.HKeys(ctx, t.names.groups()).Result() })
	if err != nil {
		return nil, typed(err)
	}
	slices.Sort(groups)
	return groups, nil
}

// patterns returns what the group asks for or ever has. One that does not exist is refused
// with an [eventbus.ValidationError].
func (t *transport) patterns(ctx context.Context, group string) ([]eventbus.Pattern, error) {
	written, err := ask(ctx, t.clients, func() (string, error) { return t.clients.commands.HGet(ctx, t.names.groups(), group).Result() })
	if errors.Is(err, redis.Nil) {
		return nil, refusedGroup(group, "must be one that exists")
	}
	return patternsOf(written), typed(err)
}

func refusedGroup(group, rule string) error {
	return &eventbus.ValidationError{Field: "group", Value: excerpt.Of(group), Rule: rule}
}

// deserted returns the patterns of a group that has no member; else it is refused with
// an [eventbus.ValidationError].
func (t *transport) deserted(ctx context.Context, group string) ([]eventbus.Pattern, error) {
	patterns, err := t.patterns(ctx, group)
	if err != nil {
		return nil, err
	}
	members, err := ask(ctx, t.clients, func() ([]string, error) { return t.living(ctx, group) })
	if err != nil {
		return nil, typed(err)
	}
	if len(members) > 0 {
		return nil, refusedGroup(group, fmt.Sprintf("must have no member; stop its subscriptions first, there are %d", len(members)))
	}
	return patterns, nil
}

// DeleteGroup removes a group, with what waits for it. One that has a member or does not
// exist is refused with an [eventbus.ValidationError].
func (t *transport) DeleteGroup(ctx context.Context, group string) error {
	if _, err := t.deserted(ctx, group); err != nil {
		return err
	}
	topics, err := t.wanted(ctx, []eventbus.Pattern{"#"})
	if err != nil {
		return typed(err)
	}
	var gone []redis.Cmder
	err = t.questions(ctx, func(pipe redis.Pipeliner) {
		for _, topic := range topics {
			gone = append(gone, pipe.XGroupDestroy(ctx, t.names.stream(topic), group), pipe.Unlink(ctx, t.names.own(topic, group).all()...))
		}
		gone = append(gone, pipe.Unlink(ctx, t.names.ledger(group), t.names.members(group)))
	})
	if err == nil {
		err = unless(noKey, gone...)
	}
	if err == nil { // it is listed until all of it is gone
		_, err = ask(ctx, t.clients, func() (int64, error) { return t.clients.commands.HDel(ctx, t.names.groups(), group).Result() })
	}
	return typed(err)
}

// noKey reports whether there is no such stream.
func noKey(err error) bool { return reply(err) == "ERR" }
