package kafkabus

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

var (
	_ engine.Gauger   = (*transport)(nil)
	_ engine.Surveyor = (*transport)(nil)
)

// Open finds out whether the cluster lets us in, and looks for the topics that the options name.
func (t *transport) Open(ctx context.Context) error {
	if err := t.client.refresh(ctx); err != nil {
		return fmt.Errorf("kafkabus: %w", typed(err))
	}
	err := t.verify(ctx)
	if err == nil {
		_, err = t.routes.look(ctx) // so that shards are known from the first event on
	}
	if err != nil {
		return fmt.Errorf("kafkabus: %w", typed(err))
	}
	return nil
}

// Gauge tells what waits on the cluster for the groups that have members here.
func (t *transport) Gauge(ctx context.Context) (engine.Gauges, error) {
	g := engine.Gauges{Waiting: map[string]int{}}
	t.mu.Lock()
	var groups []string
	for m := range t.members {
		groups = append(groups, m.group.Name)
	}
	t.mu.Unlock()
	if len(groups) == 0 {
		return g, typed(t.client.refresh(ctx))
	}
	for _, group := range groups {
		c, err := t.count(ctx, group)
		if err != nil {
			return g, err
		}
		g.Waiting[group] = c.all.Lag + c.all.Delayed
	}
	return g, nil
}

// Topics tells of every topic how much is in it and who reads it.
func (t *transport) Topics(ctx context.Context) ([]eventbus.TopicInfo, error) {
	groups, err := t.Groups(ctx)
	if err != nil {
		return nil, err
	}
	known, err := t.client.topics(ctx)
	if err != nil {
		return nil, typed(err)
	}
	var infos []eventbus.TopicInfo
	for name, x := range known {
		topic, ok := t.names.topicOf(name)
		if !ok {
			continue
		}
		spans, err := t.client.spans(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("kafkabus: look at %s: %w", name, typed(err))
		}
		info := eventbus.TopicInfo{Name: topic}
		for _, s := range spans {
			info.Length += int(s.last - s.first)
		}
		for _, group := range groups {
			committed, err := t.client.committed(ctx, t.names.group(group), name, numbered(x.partitions))
			if err != nil {
				return nil, fmt.Errorf("kafkabus: look at group %s: %w", group, typed(err))
			}
			if len(committed) > 0 {
				info.Groups = append(info.Groups, group)
			}
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b eventbus.TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

// Group tells how far a group is.
func (t *transport) Group(ctx context.Context, group string) (g eventbus.GroupInfo, err error) {
	if err := t.exists(ctx, group); err != nil {
		return g, err
	}
	c, err := t.count(ctx, group)
	if err != nil {
		return g, err
	}
	g.Name, g.Backlog, g.Topics = group, c.all, c.topics
	members, err := t.client.membersOf(ctx, t.names.group(group))
	for _, m := range members {
		info := eventbus.MemberInfo{Name: m.name, Alive: true}
		for _, p := range m.places {
			info.Pending += c.pending[p]
		}
		g.Members = append(g.Members, info)
	}
	return g, err
}

// numbered are the numbers from 0 until before n.
func numbered(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
