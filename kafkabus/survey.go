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
	if err := t.verify(ctx); err != nil {
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
		b, _, err := t.backlog(ctx, group)
		if err != nil {
			return g, err
		}
		g.Waiting[group] = b.Lag + b.Delayed
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

// Group tells how far a group is. What was handed to a member, and is not finished, counts as lag: the
// cluster knows only what is finished.
func (t *transport) Group(ctx context.Context, group string) (g eventbus.GroupInfo, err error) {
	if err := t.exists(ctx, group); err != nil {
		return g, err
	}
	g.Name = group
	if g.Backlog, g.Topics, err = t.backlog(ctx, group); err != nil {
		return g, err
	}
	members, err := t.client.membersOf(ctx, t.names.group(group))
	for _, name := range members {
		g.Members = append(g.Members, eventbus.MemberInfo{Name: name, Pending: -1, Alive: true})
	}
	return g, err
}

// backlog counts what a group has not finished, in all and by topic.
func (t *transport) backlog(ctx context.Context, group string) (sum eventbus.Backlog, topics map[string]eventbus.Backlog, err error) {
	known, err := t.client.topics(ctx)
	if err != nil {
		return sum, nil, typed(err)
	}
	topics = map[string]eventbus.Backlog{}
	sum.Pending = -1
	for name, x := range known {
		topic, ok := t.names.topicOf(name)
		if !ok && name != t.names.retries(group) {
			continue
		}
		committed, err := t.client.committed(ctx, t.names.group(group), name, numbered(x.partitions))
		if err != nil {
			return sum, nil, fmt.Errorf("kafkabus: look at group %s: %w", group, typed(err))
		}
		if len(committed) == 0 {
			continue
		}
		spans, err := t.client.spans(ctx, name)
		if err != nil {
			return sum, nil, fmt.Errorf("kafkabus: look at %s: %w", name, typed(err))
		}
		for i, s := range spans {
			c, ok := committed[i]
			if !ok {
				c.offset = s.first
			}
			p, _, _ := readProgress(max(c.offset, s.first), c.text)
			if topic == "" {
				if err := t.countRetries(ctx, name, int32(i), p, s.last, &sum, topics); err != nil {
					return sum, nil, fmt.Errorf("kafkabus: look at %s: %w", name, typed(err))
				}
				continue
			}
			b := topics[topic]
			b.Pending = -1
			b.Lag += p.left(s.last)
			topics[topic] = b
			sum.Lag += p.left(s.last)
		}
	}
	return sum, topics, nil
}

// left is how much is not finished before an offset.
func (p *progress) left(last int64) int {
	n := int(max(last-p.end, 0))
	for o := p.end; o < min(p.last(), last); o++ {
		if p.finished(o) {
			n--
		}
	}
	return n
}

// countRetries tells what is due from what is not, of what is for the group alone.
func (t *transport) countRetries(ctx context.Context, name string, partition int32, p progress, last int64, sum *eventbus.Backlog, topics map[string]eventbus.Backlog) error {
	now := t.now()
	for next := p.end; next < last; {
		rs, then, err := t.client.read(ctx, name, partition, next)
		if err != nil {
			return err
		}
		for i := range rs {
			if p.finished(rs[i].offset) {
				continue
			}
			topic := ""
			for _, h := range rs[i].header {
				if h.Key == topicHeader {
					topic = string(h.Value)
				}
			}
			b := topics[topic]
			b.Pending = -1
			if dueOf(&rs[i]).After(now) {
				b.Delayed++
				sum.Delayed++
			} else {
				b.Lag++
				sum.Lag++
			}
			topics[topic] = b
		}
		next = then
	}
	return nil
}

// numbered are the numbers from 0 until before n.
func numbered(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
