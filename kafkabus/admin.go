package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

var _ engine.GroupAdmin = (*transport)(nil)

// Groups lists the groups, sorted: those that have a topic of their own, with members or without.
func (t *transport) Groups(ctx context.Context) ([]string, error) {
	if err := t.client.refresh(ctx); err != nil {
		return nil, typed(err)
	}
	known, err := t.client.topics(ctx)
	if err != nil {
		return nil, typed(err)
	}
	var groups []string
	for name := range known {
		if group, ok := strings.CutPrefix(name, t.names.retries("")); ok {
			groups = append(groups, group)
		}
	}
	slices.Sort(groups)
	return groups, nil
}

// DeleteGroup removes a group, with what waits for it. One that has a member or does not
// exist is refused with an [eventbus.ValidationError]. It is listed until all of it is gone.
func (t *transport) DeleteGroup(ctx context.Context, group string) error {
	if err := t.deserted(ctx, group); err != nil {
		return err
	}
	within, cancel := bounded(ctx)
	defer cancel()
	id := t.names.group(group)
	gone, err := t.client.api.DeleteGroups(within, &kafka.DeleteGroupsRequest{GroupIDs: []string{id}})
	if err == nil {
		err = unlessCode(gone.Errors[id], kafka.GroupIdNotFound)
	}
	if err != nil {
		return fmt.Errorf("kafkabus: delete group %s: %w", id, typed(err))
	}
	return t.drop(ctx, t.names.tries(group), t.names.retries(group))
}

// drop deletes topics, one after the other, and waits until none sees them. They need not be there.
func (t *transport) drop(ctx context.Context, topics ...string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for _, name := range topics {
		gone, err := t.client.api.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
		if err == nil {
			err = unlessCode(gone.Errors[name], kafka.UnknownTopicOrPartition)
		}
		if err != nil {
			return fmt.Errorf("kafkabus: delete topic %s: %w", name, typed(err))
		}
		for {
			if err := t.client.refresh(ctx); err != nil {
				return typed(err)
			}
			known, err := t.client.topics(ctx)
			if err != nil {
				return typed(err)
			}
			if known[name].partitions == 0 {
				break
			}
			if !pause(ctx, 20*time.Millisecond) {
				return fmt.Errorf("kafkabus: delete topic %s: %w", name, ctx.Err())
			}
		}
	}
	t.routes.forget()
	return nil
}

func unlessCode(err error, expected kafka.Error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// ResetGroup lets a group begin anew. One that has a member or does not exist is refused
// with an [eventbus.ValidationError].
func (t *transport) ResetGroup(ctx context.Context, group string, from eventbus.Start) error {
	if err := t.deserted(ctx, group); err != nil {
		return err
	}
	before, err := t.client.committedAll(ctx, t.names.group(group))
	if err != nil {
		return typed(err)
	}
	commits := map[string][]kafka.OffsetCommit{}
	for name := range before {
		start := from
		if name == t.names.retries(group) {
			start = eventbus.Now() // what waited goes
		}
		offsets, err := t.client.startOf(ctx, name, start)
		if err != nil {
			return fmt.Errorf("kafkabus: reset %s in %s: %w", group, name, typed(err))
		}
		for i, offset := range offsets {
			commits[name] = append(commits[name], kafka.OffsetCommit{Partition: i, Offset: offset})
		}
	}
	failed, err := t.client.commit(ctx, outside(t.names.group(group)), commits)
	for at, why := range failed {
		err = errors.Join(err, fmt.Errorf("%s/%d: %w", at.topic, at.partition, why))
	}
	if isLost(err) {
		return hasMembers(group, 1)
	}
	if err != nil {
		return fmt.Errorf("kafkabus: reset %s: %w", group, typed(err))
	}
	return t.drop(ctx, t.names.tries(group))
}

// exists refuses a group that does not.
func (t *transport) exists(ctx context.Context, group string) error {
	groups, err := t.Groups(ctx)
	if err == nil && !slices.Contains(groups, group) {
		return &eventbus.ValidationError{Field: "group", Value: excerpt.Of(group), Rule: "must be one that exists"}
	}
	return err
}

// deserted refuses a group that does not exist or has a member.
func (t *transport) deserted(ctx context.Context, group string) error {
	err := t.exists(ctx, group)
	if err != nil {
		return err
	}
	members, err := t.client.membersOf(ctx, t.names.group(group))
	if err == nil && len(members) > 0 {
		err = hasMembers(group, len(members))
	}
	return err
}

func hasMembers(group string, n int) error {
	return &eventbus.ValidationError{
		Field: "group", Value: excerpt.Of(group), Rule: fmt.Sprintf("must have no member; stop its subscriptions first, there are %d", n),
	}
}

// groupMember is a member of a consumer group, and what is assigned to it.
type groupMember struct {
	name   string
	topics []string // that it wants
	places []place
}

// membersOf returns the members of a consumer group.
func (c *client) membersOf(ctx context.Context, group string) ([]groupMember, error) {
	ms, err := patiently(ctx, c, func(ctx context.Context) (ms []groupMember, err error) {
		answer, err := c.api.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		if err != nil {
			return nil, err
		}
		for i := range answer.Groups {
			g := &answer.Groups[i]
			if err := unlessCode(g.Error, kafka.GroupIdNotFound); err != nil {
				return nil, err
			}
			for j := range g.Members {
				ms = append(ms, groupMemberOf(&g.Members[j]))
			}
		}
		return ms, nil
	})
	if err != nil {
		return nil, fmt.Errorf("kafkabus: look at group %s: %w", group, typed(err))
	}
	return ms, nil
}

func groupMemberOf(x *kafka.DescribeGroupsResponseMember) groupMember {
	m := groupMember{name: x.MemberID, topics: x.MemberMetadata.Topics}
	for _, t := range x.MemberAssignments.Topics {
		for _, partition := range t.Partitions {
			m.places = append(m.places, place{t.Topic, int32(partition)})
		}
	}
	return m
}

// Erase removes what buses with this prefix have on the cluster: topics of events, groups with all that
// waits for them, dead letters. It is for tests and demonstrations, since nothing of it comes back. As
// long as a group has a member nothing is removed, and the error is an eventbus.ValidationError.
func (b *Bus) Erase(ctx context.Context) error {
	t := b.transport
	groups, err := t.Groups(ctx)
	for _, group := range groups {
		if err == nil {
			err = t.deserted(ctx, group)
		}
	}
	for _, group := range groups {
		if err == nil {
			err = t.DeleteGroup(ctx, group)
		}
	}
	var letters []string
	if err == nil {
		letters, err = t.letters.groups(ctx)
	}
	for _, group := range letters {
		if err == nil {
			err = t.letters.forget(ctx, group)
		}
	}
	if err != nil {
		return fmt.Errorf("kafkabus: erase %s: %w", t.names.prefix, err)
	}
	known, err := t.client.topics(ctx)
	if err != nil {
		return fmt.Errorf("kafkabus: erase %s: %w", t.names.prefix, typed(err))
	}
	var rest []string
	for name := range known {
		if _, ok := t.names.topicOf(name); ok || name == t.names.facts() {
			rest = append(rest, name)
		}
	}
	return t.drop(ctx, rest...)
}
