package rabbitbus

import (
	"context"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

var (
	_ engine.Gauger   = (*transport)(nil)
	_ engine.Surveyor = (*transport)(nil)
)

// Gauge tells what waits on the server for the groups that have members here.
func (t *transport) Gauge(ctx context.Context) (engine.Gauges, error) {
	g := engine.Gauges{Waiting: map[string]int{}}
	c, err := t.desk.get(ctx)
	if err != nil {
		return g, err
	}
	groups := t.joined()
	if len(groups) == 0 {
		return g, c.briefly(ctx, func(*amqp.Channel) error { return nil })
	}
	for _, group := range groups {
		q, _, err := c.look(ctx, t.names.queue(group))
		if err != nil {
			return g, err
		}
		later, err := t.delayed(ctx, c, group)
		if err != nil {
			return g, err
		}
		g.Waiting[group] = q.Messages + later
	}
	return g, nil
}

// joined are the groups that have members here.
func (t *transport) joined() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	groups := make([]string, 0, len(t.members))
	for m := range t.members {
		groups = append(groups, m.group.Name)
	}
	return groups
}

// delayed counts the retries of a group that wait in its steps.
func (t *transport) delayed(ctx context.Context, c *conn, group string) (n int, err error) {
	for _, d := range ladder() {
		q, _, err := c.look(ctx, t.names.step(group, d))
		if err != nil {
			return 0, err
		}
		n += q.Messages
	}
	return n, nil
}

// Topics returns none: events are held for groups alone.
func (t *transport) Topics(ctx context.Context) ([]eventbus.TopicInfo, error) { return nil, ctx.Err() }

// Group tells what waits in the queues of a group. How many deliveries are under way the
// protocol does not tell; its members are numbered.
func (t *transport) Group(ctx context.Context, group string) (g eventbus.GroupInfo, err error) {
	c, q, err := t.existing(ctx, group)
	if err != nil {
		return g, err
	}
	g = eventbus.GroupInfo{Name: group, Backlog: eventbus.Backlog{Lag: q.Messages, Pending: -1}}
	if g.Delayed, err = t.delayed(ctx, c, group); err != nil {
		return g, err
	}
	members, err := t.memberCount(ctx, c, group)
	for i := range max(members, q.Consumers) {
		g.Members = append(g.Members, eventbus.MemberInfo{Name: strconv.Itoa(i + 1), Pending: -1, Alive: true})
	}
	return g, err
}

// memberCount is how many members of the group there are, also such as do not consume yet.
func (t *transport) memberCount(ctx context.Context, c *conn, group string) (int, error) {
	q, _, err := c.look(ctx, t.names.members(group))
	return q.Consumers, err
}

// existing looks at the queue of a group. One that does not exist is refused with an
// [eventbus.ValidationError].
func (t *transport) existing(ctx context.Context, group string) (*conn, amqp.Queue, error) {
	if !legalGroup(group) {
		return nil, amqp.Queue{}, noSuchGroup(group)
	}
	c, err := t.desk.get(ctx)
	if err != nil {
		return nil, amqp.Queue{}, err
	}
	q, there, err := c.look(ctx, t.names.queue(group))
	if err == nil && !there {
		err = noSuchGroup(group)
	}
	return c, q, err
}
