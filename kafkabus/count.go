package kafkabus

import (
	"context"
	"fmt"

	"github.com/seed-28af575d/eventbus"
)

// count is what a group has not finished. What was handed out to its members stands beside the committed
// offsets, and may be a second old.
type count struct {
	transport *transport
	all       eventbus.Backlog
	topics    map[string]eventbus.Backlog
	pending   map[place]int
}

// count counts.
func (t *transport) count(ctx context.Context, group string) (*count, error) {
	topics, err := t.client.topics(ctx)
	if err != nil {
		return nil, typed(err)
	}
	c := &count{transport: t, topics: map[string]eventbus.Backlog{}, pending: map[place]int{}}
	for name, x := range topics {
		_, events := t.names.topicOf(name)
		if !events && name != t.names.retries(group) {
			continue
		}
		marks, err := t.client.committed(ctx, t.names.group(group), name, numbered(x.partitions))
		if err != nil {
			return nil, fmt.Errorf("kafkabus: look at group %s: %w", group, typed(err))
		}
		if len(marks) == 0 {
			continue
		}
		spans, err := t.client.spans(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("kafkabus: look at %s: %w", name, typed(err))
		}
		for i, s := range spans {
			m, ok := marks[i]
			if !ok || m.end < s.first {
				m = mark{end: s.first}
			}
			k, _ := readProgress(m.end, m.text) // others' texts say nothing
			at := place{name, int32(i)}
			if events {
				c.events(at, &k, s.last)
			} else if err := c.retries(ctx, at, &k, s.last); err != nil {
				return nil, fmt.Errorf("kafkabus: look at %s: %w", name, typed(err))
			}
		}
	}
	return c, nil
}

// events counts a partition of events.
func (c *count) events(at place, k *known, last int64) {
	topic, _ := c.transport.names.topicOf(at.topic)
	handed := min(max(k.handed, k.end), last)
	pending := int(handed - k.end)
	for o := k.end; o < handed; o++ {
		if k.finished(o) {
			pending--
		}
	}
	c.add(at, topic, eventbus.Backlog{Lag: int(last - handed), Pending: pending})
}

// retries counts what is for the group alone, which has to be read: some of it is not due.
func (c *count) retries(ctx context.Context, at place, k *known, last int64) error {
	now := c.transport.now()
	for next := k.end; next < last; {
		rs, then, err := c.transport.client.read(ctx, at.topic, at.partition, next)
		if err != nil {
			return err
		}
		next = then
		for i := range rs {
			r := &rs[i]
			switch topic := r.header.get(topicHeader); {
			case k.finished(r.offset):
			case dueOf(r).After(now):
				c.add(at, topic, eventbus.Backlog{Delayed: 1})
			case r.offset < k.handed:
				c.add(at, topic, eventbus.Backlog{Pending: 1})
			default:
				c.add(at, topic, eventbus.Backlog{Lag: 1})
			}
		}
	}
	return nil
}

func (c *count) add(at place, topic string, b eventbus.Backlog) {
	c.pending[at] += b.Pending
	c.all = sum(c.all, b)
	c.topics[topic] = sum(c.topics[topic], b)
}

func sum(a, b eventbus.Backlog) eventbus.Backlog {
	return eventbus.Backlog{Lag: a.Lag + b.Lag, Pending: a.Pending + b.Pending, Delayed: a.Delayed + b.Delayed}
}
