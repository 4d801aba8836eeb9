package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// room is what a record may be larger than an event: what the bus writes beside it.
const room = 256 << 10

// keptBytes is how large what is for one group can be, letters, retries and replays. Others publish what is larger than
// any event of the bus, where a topic takes it; what has no place here when it fails would hold its partition up.
func (o *Options) keptBytes() int { return max(32<<20, o.Options.WithDefaults().MaxBytes+4*room) }

// eventsConfig is how a topic of events is made.
func (t *transport) eventsConfig(name string) kafka.TopicConfig {
	o := t.options.Topics
	entries := []kafka.ConfigEntry{
		{ConfigName: "cleanup.policy", ConfigValue: "delete"},
		{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(t.options.Options.WithDefaults().MaxBytes + room)},
	}
	switch {
	case o.Retention > 0:
		entries = append(entries, retention(o.Retention.Milliseconds()))
	case o.Retention < 0:
		entries = append(entries, retention(-1))
	}
	return kafka.TopicConfig{Topic: name, NumPartitions: o.Partitions, ReplicationFactor: o.replicas(), ConfigEntries: entries}
}

// retriesConfig is how the topic of what is for one group is made. What waits there is kept for longer
// than anything may wait, and may be large.
func (t *transport) retriesConfig(name string) kafka.TopicConfig {
	c := t.eventsConfig(name)
	kept := max(t.options.Topics.Retention, retriesKept).Milliseconds()
	if t.options.Topics.Retention < 0 {
		kept = -1
	}
	c.ConfigEntries = append(c.ConfigEntries[:1:1], retention(kept),
		kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(t.options.keptBytes())})
	return c
}

const retriesKept = 30 * 24 * time.Hour

func retention(ms int64) kafka.ConfigEntry {
	return kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(ms, 10)}
}

// replicas is the number as Kafka takes it: -1 is what the cluster does.
func (t Topics) replicas() int {
	if t.Replication == 0 {
		return -1
	}
	return t.Replication
}

// verify makes the topics that the options name, or looks at them.
func (t *transport) verify(ctx context.Context) error {
	known, err := t.client.topics(ctx)
	if err != nil {
		return err
	}
	var errs []error
	var missing []kafka.TopicConfig
	for _, topic := range t.options.Topics.Names {
		name := t.names.events(topic)
		if x := known[name]; x.partitions > 0 {
			errs = append(errs, t.look(ctx, x))
			continue
		}
		if t.options.Topics.Passive {
			errs = append(errs, missingTopic(name))
			continue
		}
		missing = append(missing, t.eventsConfig(name))
	}
	if err := errors.Join(errs...); err != nil || len(missing) == 0 {
		return err
	}
	return t.client.make(ctx, missing...)
}

// look says what is wrong with a topic of events.
func (t *transport) look(ctx context.Context, x topic) error {
	o := t.options.Topics
	if x.partitions != o.Partitions {
		t.logger().Warn("kafkabus: a topic has another number of partitions than it would be made with; it keeps them",
			slog.String("topic", x.name), slog.Int("partitions", x.partitions), slog.Int("wanted", o.Partitions))
	}
	if x.replicas < o.Replication {
		return fmt.Errorf("%w: %s has %d replicas, and Options.Topics.Replication wants %d", ErrTopic, x.name, x.replicas, o.Replication)
	}
	has, err := t.client.config(ctx, x.name, "cleanup.policy")
	if err != nil {
		return fmt.Errorf("look at topic %s: %w", x.name, err)
	}
	if strings.Contains(has["cleanup.policy"], "compact") {
		return fmt.Errorf("%w: %s has cleanup.policy=%s: of an aggregate's events all but the last would vanish", ErrTopic, x.name, has["cleanup.policy"])
	}
	return nil
}
