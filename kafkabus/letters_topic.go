package kafkabus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// config is how a topic of letters is made. Its times are the broker's, by which leases end. Segments
// are small, since only those that are full or old are compacted. No letter is larger than one.
func (s *letterStore) config(name string) kafka.TopicConfig {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	c := kafka.TopicConfig{Topic: name, NumPartitions: 1, ReplicationFactor: s.client.options.Topics.Replication}
	if c.ReplicationFactor == 0 {
		c.ReplicationFactor = -1 // what the cluster does
	}
	bytes := strconv.Itoa(s.client.options.keptBytes())
	for _, x := range [][2]string{
		{"cleanup.policy", "compact"}, {"message.timestamp.type", "LogAppendTime"},
		{"min.compaction.lag.ms", ms(s.bounds.lag)}, {"max.compaction.lag.ms", ms(s.bounds.lag + s.bounds.retain)},
		{"delete.retention.ms", ms(s.bounds.retain)}, {"segment.bytes", bytes}, {"max.message.bytes", bytes},
	} {
		c.ConfigEntries = append(c.ConfigEntries, kafka.ConfigEntry{ConfigName: x[0], ConfigValue: x[1]})
	}
	return c
}

// join makes the topic of a group's letters, if that is missing and to be made, and says what is
// wrong with one that is there: the error matches ErrTopic.
func (s *letterStore) join(ctx context.Context, group string) error {
	err := s.open(ctx)
	if err == nil {
		err = s.ready(ctx, s.log(group), s.missing)
	}
	if err != nil {
		return s.failed(ctx, "dead letters of "+group, err)
	}
	return nil
}

// whenMissing is what is done about a topic of letters that is not there.
type whenMissing func(ctx context.Context, topic string) error

// missing makes a topic that is missing, if it may.
func (s *letterStore) missing(ctx context.Context, name string) error {
	if s.client.options.Topics.Passive {
		return missingTopic(name)
	}
	return s.client.make(ctx, s.config(name))
}

// none makes no topic.
func none(context.Context, string) error { return errLettersMissing }

// ready returns nil if the topic of the letters is there and as it should be. It calls missing if it
// is not there.
func (s *letterStore) ready(ctx context.Context, l *letterLog, missing whenMissing) error {
	if l.good.Load() {
		return nil
	}
	err := s.patiently(ctx, func() error { return s.look(ctx, l.topic, missing) })
	if err == nil {
		l.good.Store(true)
	}
	return err
}

func (s *letterStore) look(ctx context.Context, name string, missing whenMissing) error {
	of, err := s.lookUp(ctx, name)
	if err == nil && of.partitions == 0 {
		if err = missing(ctx, name); err == nil {
			of, err = s.lookUp(ctx, name)
		}
	}
	if err == nil {
		err = s.verify(ctx, name, of.partitions)
	}
	return err
}

// verify says what is wrong with a topic of letters.
func (s *letterStore) verify(ctx context.Context, name string, partitions int) error {
	if partitions != 1 {
		return fmt.Errorf("%w: %s has %d partitions, and needs 1: letters have one order", ErrTopic, name, partitions)
	}
	has, err := s.client.config(ctx, name, "cleanup.policy", "message.timestamp.type", "min.compaction.lag.ms", "delete.retention.ms")
	if err != nil {
		return fmt.Errorf("look at topic %s: %w", name, err)
	}
	wrong := func(what, wants, why string) error {
		return fmt.Errorf("%w: %s has %s=%s, and needs %s: %s", ErrTopic, name, what, has[what], wants, why)
	}
	if has["cleanup.policy"] != "compact" {
		return wrong("cleanup.policy", "compact and nothing else", "letters that nobody has replayed or discarded would vanish")
	}
	if has["message.timestamp.type"] != "LogAppendTime" {
		return wrong("message.timestamp.type", "LogAppendTime", "the broker's clock says when a letter that was taken is free again")
	}
	for what, least := range map[string]time.Duration{"min.compaction.lag.ms": s.bounds.lag, "delete.retention.ms": s.bounds.stale} {
		if ms, err := strconv.ParseInt(has[what], 10, 64); err != nil || ms < least.Milliseconds() {
			return wrong(what, "at least "+strconv.FormatInt(least.Milliseconds(), 10), "every process must read who has taken a letter, and that it was removed")
		}
	}
	return nil
}

// config returns settings of a topic.
func (c *client) config(ctx context.Context, topic string, names ...string) (map[string]string, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	answer, err := c.api.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: names},
	}})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i := range answer.Resources {
		if err := answer.Resources[i].Error; err != nil {
			return nil, typed(err)
		}
		for _, x := range answer.Resources[i].ConfigEntries {
			found[x.ConfigName] = x.ConfigValue
		}
	}
	return found, nil
}
