package redisbus

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// remembered is for how long a topic that was made known need not be again. When the
// server loses everything, subscribers find the topics again by that.
const remembered = time.Second

// topicCache knows which topics are known to the server, and since when.
type topicCache struct {
	mu    sync.Mutex
	known map[string]time.Time
}

// mark is what stands in the set of topics: the topic, and behind a blank the first word of
// the event type where that is another one.
func mark(topic, eventType string) string {
	if first, _, _ := strings.Cut(eventType, "."); first != topic && first != "" {
		return topic + " " + first
	}
	return topic
}

// chosen returns the topic of a mark if there may be something in it that a pattern
// selects.
func chosen(mark string, patterns []eventbus.Pattern) (topic string, ok bool) {
	topic, word, odd := strings.Cut(mark, " ")
	if !odd {
		word = topic
	}
	return topic, slices.ContainsFunc(patterns, func(p eventbus.Pattern) bool {
		first, _, _ := strings.Cut(string(p), ".")
		return first == "*" || first == "#" || first == word
	})
}

// news returns the topics of the messages that were never made known, and those that
// were long ago.
func (c *topicCache) news(ms []engine.Message) (fresh, stale []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := ""
	for i := range ms {
		if ms[i].To.Group != "" {
			continue
		}
		topic := mark(ms[i].To.Topic, ms[i].Type)
		if topic == last {
			continue
		}
		last = topic
		switch at, ok := c.known[topic]; {
		case !ok && !slices.Contains(fresh, topic):
			fresh = append(fresh, topic)
		case ok && time.Since(at) > remembered && !slices.Contains(stale, topic):
			stale = append(stale, topic)
		}
	}
	return fresh, stale
}

func (c *topicCache) note(topics []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, topic := range topics {
		c.known[topic] = now
	}
}

// announce makes new topics known, before anything is in them.
func (t *transport) announce(ctx context.Context, ms []engine.Message) error {
	fresh, _ := t.topics.news(ms)
	if len(fresh) == 0 {
		return nil
	}
	_, err := ask(ctx, t.clients, func() (int64, error) {
		return t.clients.commands.SAdd(ctx, t.names.topics(), list(fresh)...).Result()
	})
	if err != nil {
		return notSent(err)
	}
	t.topics.note(fresh)
	return nil
}

// refresh makes topics known once more, together with what is sent to them.
func (c *topicCache) refresh(ctx context.Context, pipe redis.Pipeliner, n names, ms []engine.Message) {
	if _, stale := c.news(ms); len(stale) > 0 {
		pipe.SAdd(ctx, n.topics(), list(stale)...)
		c.note(stale)
	}
}

func list[T any](from []T) []any {
	out := make([]any, len(from))
	for i, x := range from {
		out[i] = x
	}
	return out
}
