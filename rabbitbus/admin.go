package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

var _ engine.GroupAdmin = (*transport)(nil)

// Groups lists the groups that are written down and have a queue, sorted.
func (t *transport) Groups(ctx context.Context) (groups []string, err error) {
	c, err := t.desk.get(ctx)
	if err != nil {
		return nil, err
	}
	names, err := t.registry().names(ctx)
	if err != nil {
		return nil, err
	}
	for _, group := range names {
		_, there, err := c.look(ctx, t.names.queue(group))
		if err != nil {
			return nil, err
		}
		if there {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

// DeleteGroup removes a group, with what waits for it. One that has a consumer or does not
// exist is refused with an [eventbus.ValidationError].
func (t *transport) DeleteGroup(ctx context.Context, group string) error {
	c, err := t.deserted(ctx, group)
	if err != nil {
		return err
	}
	if err := c.deleteQueues(ctx, t.queuesOf(group)); err != nil {
		return err
	}
	t.publishing.forget()
	return t.registry().leave(ctx, group)
}

// ResetGroup empties a group: nothing is retained that it could be handed again. One that has
// a consumer or does not exist is refused with an [eventbus.ValidationError].
func (t *transport) ResetGroup(ctx context.Context, group string, from eventbus.Start) error {
	c, err := t.deserted(ctx, group)
	if err != nil {
		return err
	}
	if !from.IsNow() {
		return fmt.Errorf("%w: events are not retained here: a group can be reset to Now alone", errors.ErrUnsupported)
	}
	for _, name := range append(t.ownQueues(group), t.names.queue(group)) {
		err := c.briefly(ctx, func(ch *amqp.Channel) error {
			_, err := ch.QueuePurge(name, false)
			return err
		})
		if err != nil && code(err) != amqp.NotFound {
			return fmt.Errorf("rabbitbus: purge queue %s: %w", name, typed(err))
		}
	}
	return t.ledger().forget(ctx, group)
}

// queuesOf are all queues of a group but those of its letters. It is listed as long as its own
// is there, which comes last.
func (t *transport) queuesOf(group string) []string {
	return append(t.ownQueues(group), t.names.tries(group), t.names.members(group), t.names.queue(group))
}

// ownQueues are those in which retries of the group wait.
func (t *transport) ownQueues(group string) (names []string) {
	for _, d := range ladder() {
		names = append(names, t.names.step(group, d))
	}
	return names
}

// deserted refuses a group that does not exist or has a consumer.
func (t *transport) deserted(ctx context.Context, group string) (*conn, error) {
	c, q, err := t.existing(ctx, group)
	if err != nil {
		return c, err
	}
	return c, t.refuseMembers(ctx, c, group, q.Consumers)
}

// refuseMembers refuses a group that has members; so many consume from its queue.
func (t *transport) refuseMembers(ctx context.Context, c *conn, group string, consumers int) error {
	n, err := t.certainMemberCount(ctx, c, group)
	if n = max(n, consumers); err == nil && n > 0 {
		err = hasMembers(group, n)
	}
	return err
}

func hasMembers(group string, n int) error {
	return &eventbus.ValidationError{
		Field: "group", Value: excerpt.Of(group),
		Rule: fmt.Sprintf("must have no member; stop its subscriptions first, there are %d", n),
	}
}

func (t *transport) ledger() ledger { return ledger{t} }

// legalGroup reports whether there can be such a group: <service>.<subscriber>.
func legalGroup(group string) bool {
	service, name, ok := strings.Cut(group, ".")
	return ok && service != "" && name != "" && !strings.Contains(name, ".") && len(group) <= maxGroup
}

// maxGroup is what two names of a hundred bytes and a dot take.
const maxGroup = 201
