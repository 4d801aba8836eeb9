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
	// It is listed until all of it is gone; its own queue goes last, as that is what it is.
	for _, name := range append(t.ownQueues(group), t.names.tries(group), t.names.members(group), t.names.queue(group)) {
		err := c.briefly(ctx, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(name, false, false, false)
			return err
		})
		if err != nil {
			return fmt.Errorf("rabbitbus: delete queue %s: %w", name, typed(err))
		}
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
	members, err := t.memberCount(ctx, c, group)
	if members = max(members, q.Consumers); err == nil && members > 0 {
		err = &eventbus.ValidationError{
			Field: "group", Value: excerpt.Of(group),
			Rule: fmt.Sprintf("must have no member; stop its subscriptions first, there are %d", members),
		}
	}
	return c, err
}

func (t *transport) ledger() ledger { return ledger{t} }

// legalGroup reports whether there can be such a group: <service>.<subscriber>.
func legalGroup(group string) bool {
	service, name, ok := strings.Cut(group, ".")
	return ok && service != "" && name != "" && !strings.Contains(name, ".") && len(group) <= maxGroup
}

// maxGroup is what two names of a hundred bytes and a dot take.
const maxGroup = 201
