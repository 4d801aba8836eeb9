package kafkabus

import (
	"context"
	"errors"
	"sync"

	"github.com/segmentio/kafka-go"
)

// tail reads a compacted topic of one partition, and reads on from where it was. A topic that is missing
// is an empty one.
type tail struct {
	client *client
	topic  string
	note   func(r *record) // of a key; a value of nil forgets it
	anew   func()          // forgets all: the topic was made anew

	mu   sync.Mutex
	next int64
}

// catchUp notes what was written until now.
func (l *tail) catchUp(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, err := l.client.topics(ctx)
	if err != nil {
		return err
	}
	if known[l.topic].partitions == 0 {
		l.restart()
		return nil
	}
	spans, err := l.client.spans(ctx, l.topic)
	if err != nil {
		return err
	}
	if l.next < spans[0].first || l.next > spans[0].last {
		l.restart()
		l.next = spans[0].first
	}
	for l.next < spans[0].last {
		rs, next, err := l.client.read(ctx, l.topic, 0, l.next)
		for i := range rs {
			l.note(&rs[i])
		}
		l.next = next
		switch {
		case errors.Is(err, kafka.OffsetOutOfRange):
			l.restart()
			return nil // the next call reads it
		case err != nil:
			return err
		}
	}
	return nil
}

func (l *tail) restart() {
	if l.next > 0 {
		l.next = 0
		l.anew()
	}
}

// write appends to the topic, which is made if it is missing.
func (l *tail) write(ctx context.Context, config kafka.TopicConfig, rs ...record) error {
	known, err := l.client.topics(ctx)
	if err != nil {
		return err
	}
	if known[l.topic].partitions == 0 {
		if l.client.options.Topics.Passive {
			return missingTopic(l.topic)
		}
		if err := l.client.make(ctx, config); err != nil {
			return err
		}
	}
	_, err = patiently(ctx, l.client, func(ctx context.Context) (struct{}, error) { // twice is as good as once
		return struct{}{}, l.client.append(ctx, l.topic, rs...)
	})
	return err
}

// compactConfig is how such a topic is made.
func (t *transport) compactConfig(name string) kafka.TopicConfig {
	return kafka.TopicConfig{
		Topic: name, NumPartitions: 1, ReplicationFactor: t.options.Topics.replicas(),
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}},
	}
}
