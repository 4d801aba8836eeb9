package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus"
)

// prepare makes the topics of what is for the group alone.
func (m *member) prepare(ctx context.Context) error {
	t := m.transport
	known, err := t.client.topics(ctx)
	if err != nil {
		return err
	}
	name := t.names.retries(m.group.Name)
	if known[name].partitions == 0 {
		if t.options.Topics.Passive {
			return missingTopic(name)
		}
		if err := t.client.make(ctx, t.retriesConfig(name)); err != nil {
			return err
		}
	}
	return t.letters.join(ctx, m.group.Name)
}

// wanted returns the topics in which there may be something for the group, with their partitions.
func (m *member) wanted(ctx context.Context) (map[string]int, error) {
	t := m.transport
	known, err := t.client.topics(ctx)
	if err != nil {
		return nil, err
	}
	odd, err := t.odd(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for name, x := range known {
		of, ok := t.names.topicOf(name)
		if ok && m.chooses(of, odd[of]) || name == t.names.retries(m.group.Name) {
			out[name] = x.partitions
		}
	}
	return out, nil
}

// chooses reports whether a pattern selects something that may be in the topic: of events that begin with
// its name, or with one of the words.
func (m *member) chooses(topic string, words []string) bool {
	return slices.ContainsFunc(m.group.Patterns, func(p eventbus.Pattern) bool {
		first, _, _ := strings.Cut(string(p), ".")
		return first == "*" || first == "#" || first == topic || slices.Contains(words, first)
	})
}

// start writes down where a group begins that is new: a group that has been somewhere before gets all of
// what has come meanwhile. If it has members, they have done so.
func (m *member) start(ctx context.Context, topics map[string]int) error {
	t := m.transport
	before, err := t.client.committedAll(ctx, m.groupID())
	if err != nil {
		return err
	}
	from := m.group.From
	if len(before) > 0 {
		from = eventbus.Beginning()
	}
	commits := map[string][]kafka.OffsetCommit{}
	for name, n := range topics {
		known := before[name]
		if len(known) == n {
			continue
		}
		start := from
		if name == t.names.retries(m.group.Name) { // what waits there is the group's own
			start = eventbus.Beginning()
		}
		offsets, err := t.client.startOf(ctx, name, start)
		if err != nil {
			return err
		}
		for i, offset := range offsets {
			if _, ok := known[i]; !ok {
				commits[name] = append(commits[name], kafka.OffsetCommit{Partition: i, Offset: offset})
			}
		}
	}
	if len(commits) == 0 {
		return nil
	}
	failed, err := t.client.commit(ctx, outside(m.groupID()), commits)
	if isLost(err) || errors.Is(err, kafka.RebalanceInProgress) {
		return nil
	}
	for at, why := range failed {
		err = errors.Join(err, fmt.Errorf("write down where the group begins in %s/%d: %w", at.topic, at.partition, why))
	}
	return err
}
