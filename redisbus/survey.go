package redisbus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

var _ engine.Surveyor = (*transport)(nil)

// Topics tells of every topic how long it is and who reads it.
func (t *transport) Topics(ctx context.Context) ([]eventbus.TopicInfo, error) {
	topics, err := t.wanted(ctx, []eventbus.Pattern{"#"})
	if err != nil {
		return nil, typed(err)
	}
	lengths, readers := make([]*redis.IntCmd, len(topics)), make([]*redis.XInfoGroupsCmd, len(topics))
	err = t.questions(ctx, func(pipe redis.Pipeliner) {
		for i, topic := range topics {
			lengths[i] = pipe.XLen(ctx, t.names.stream(topic))
			readers[i] = pipe.XInfoGroups(ctx, t.names.stream(topic))
		}
	})
	if err != nil {
		return nil, typed(err)
	}
	all := make([]eventbus.TopicInfo, len(topics))
	for i, topic := range topics {
		all[i] = eventbus.TopicInfo{Name: topic, Length: int(lengths[i].Val())}
		for _, g := range readers[i].Val() {
			all[i].Groups = append(all[i].Groups, g.Name)
		}
		slices.Sort(all[i].Groups)
		if err := unless(noGroup, lengths[i], readers[i]); err != nil {
			return nil, fmt.Errorf("redisbus: look at %s: %w", t.names.stream(topic), err)
		}
	}
	return all, nil
}

// Group tells how far a group is, and who its members are.
func (t *transport) Group(ctx context.Context, group string) (g eventbus.GroupInfo, err error) {
	patterns, err := t.patterns(ctx, group)
	if err != nil {
		return g, err
	}
	topics, err := t.wanted(ctx, patterns)
	if err != nil {
		return g, typed(err)
	}
	views, err := t.views(ctx, group, topics)
	if err != nil {
		return g, err
	}
	g = eventbus.GroupInfo{Name: group, Topics: map[string]eventbus.Backlog{}}
	for _, v := range views {
		b, err := v.backlog(ctx, t)
		if err != nil {
			return g, err
		}
		g.Topics[v.topic] = b
		g.Backlog = sum(g.Backlog, b)
	}
	g.Members, err = t.roll(ctx, group, views)
	return g, err
}

func sum(a, b eventbus.Backlog) eventbus.Backlog {
	a.Lag, a.Pending, a.Delayed = a.Lag+b.Lag, a.Pending+b.Pending, a.Delayed+b.Delayed
	if at := b.OldestPending; a.OldestPending.IsZero() || !at.IsZero() && at.Before(a.OldestPending) {
		a.OldestPending = at
	}
	return a
}

// roll are the members that give signs of life, and those that have left something.
func (t *transport) roll(ctx context.Context, group string, views []*view) ([]eventbus.MemberInfo, error) {
	alive, err := ask(ctx, t.clients, func() ([]string, error) { return t.living(ctx, group) })
	if err != nil {
		return nil, typed(err)
	}
	seen := make([]*redis.XInfoConsumersCmd, 0, 2*len(views))
	err = t.questions(ctx, func(pipe redis.Pipeliner) {
		for _, v := range views {
			for _, stream := range v.streams {
				seen = append(seen, pipe.XInfoConsumers(ctx, stream, group))
			}
		}
	})
	if err != nil {
		return nil, typed(err)
	}
	members := map[string]*eventbus.MemberInfo{}
	for _, instance := range alive {
		name := nameOf(instance)
		members[name] = &eventbus.MemberInfo{Name: name, Alive: true}
	}
	for _, c := range seen {
		if err := unless(noGroup, c); err != nil {
			return nil, fmt.Errorf("redisbus: look at the consumers of %s: %w", group, err)
		}
		for _, consumer := range c.Val() {
			t.enroll(members, consumer)
		}
	}
	return sortedMembers(members), nil
}

// enroll adds what is known of a consumer to its member.
func (t *transport) enroll(members map[string]*eventbus.MemberInfo, c redis.XInfoConsumer) {
	name, _, _ := strings.Cut(c.Name, heirMark)
	m := members[name]
	if m == nil {
		if c.Pending == 0 {
			return // left over, until the janitor comes
		}
		m = &eventbus.MemberInfo{Name: name}
		members[name] = m
	}
	m.Pending += int(c.Pending)
	if at := t.now().Add(-c.Idle); at.After(m.Seen) {
		m.Seen = at
	}
}

func sortedMembers(all map[string]*eventbus.MemberInfo) (members []eventbus.MemberInfo) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		members = append(members, *all[name])
	}
	return members
}

// stored is the time that is in an entry's ID.
func stored(id string) time.Time {
	before, _, _ := strings.Cut(id, "-")
	ms, err := strconv.ParseInt(before, 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
