package redisbus

import (
	"context"
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
		return g, typed(t.clients.commands.Exists(ctx, t.names.topics()).Err())
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
	for _, topic := range topics {
		own := t.names.own(topic, m.group.Name)
		for _, stream := range []string{t.names.stream(topic), own.stream} {
			lag, err := t.lag(ctx, stream, m.group.Name)
			if err != nil {
				return 0, err
			}
			n += lag
		}
		later, err := t.clients.commands.ZCard(ctx, own.later()).Result()
		if err != nil {
			return 0, fmt.Errorf("redisbus: count %s: %w", own.later(), typed(err))
		}
		n += int(later)
	}
	return n, nil
}

// lag is how many entries of the stream the group was not handed. Where entries were
// deleted the server may not know; then they are counted.
func (t *transport) lag(ctx context.Context, stream, group string) (int, error) {
	c := t.clients.commands
	groups, err := c.XInfoGroups(ctx, stream).Result()
	if err != nil {
		if word := reply(err); word == "ERR" { // no such key
			return 0, nil
		}
		return 0, fmt.Errorf("redisbus: look at %s: %w", stream, typed(err))
	}
	for _, g := range groups {
		switch {
		case g.Name != group:
		case g.Lag >= 0 && g.EntriesRead > 0 || g.LastDeliveredID == "0-0" && g.Lag > 0:
			return int(g.Lag), nil
		default:
			entries, err := c.XRangeN(ctx, stream, "("+g.LastDeliveredID, "+", 10_000).Result()
			return len(entries), typed(err)
		}
	}
	return 0, nil
}

// Groups lists the groups, sorted.
func (t *transport) Groups(ctx context.Context) ([]string, error) {
	groups, err := t.clients.commands.HKeys(ctx, t.names.groups()).Result()
	if err != nil {
		return nil, typed(err)
	}
	slices.Sort(groups)
	return groups, nil
}

// DeleteGroup removes a group, with what waits for it. One that has a member or does not
// exist is refused with an [eventbus.ValidationError].
func (t *transport) DeleteGroup(ctx context.Context, group string) error {
	c := t.clients.commands
	known, err := c.HExists(ctx, t.names.groups(), group).Result()
	if err != nil {
		return typed(err)
	}
	refuse := func(rule string) error {
		return &eventbus.ValidationError{Field: "group", Value: excerpt.Of(group), Rule: rule}
	}
	if !known {
		return refuse("must be one that exists")
	}
	members, err := countScript.Run(ctx, c, []string{t.names.members(group)}).Int()
	if err != nil {
		return typed(err)
	}
	if members > 0 {
		return refuse(fmt.Sprintf("must have no member; stop its subscriptions first, there are %d", members))
	}
	topics, err := t.wanted(ctx, []eventbus.Pattern{"#"})
	if err != nil {
		return typed(err)
	}
	return t.deleteGroup(ctx, topics, group)
}

// countScript counts the members that have given a sign of life.
var countScript = redis.NewScript(luaNow + `return redis.call('ZCOUNT', KEYS[1], now(), '+inf')`)

func (t *transport) deleteGroup(ctx context.Context, topics []string, group string) error {
	said, err := t.clients.commands.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, topic := range topics {
			own := t.names.own(topic, group)
			pipe.XGroupDestroy(ctx, t.names.stream(topic), group)
			pipe.Unlink(ctx, own.stream, own.later(), own.held())
		}
		pipe.Unlink(ctx, t.names.ledger(group), t.names.members(group))
		pipe.HDel(ctx, t.names.groups(), group)
		return nil
	})
	for _, c := range said {
		if c.Err() != nil && reply(c.Err()) != "ERR" { // which is a topic without a stream
			return typed(c.Err())
		}
	}
	if reply(err) == "ERR" {
		err = nil
	}
	return typed(err)
}
