package redisbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// fromBeginning is before the first entry of a stream.
const fromBeginning = "0"

// just is the ID behind which everything from that millisecond on stands.
func just(before time.Time) string {
	ms := before.UnixMilli() - 1
	if ms < 0 {
		return fromBeginning
	}
	return strconv.FormatInt(ms, 10) + "-18446744073709551615"
}

// found writes down where the group starts in topics that it does not read yet, if nobody
// has. It returns where it starts in those that there are now.
func (t *transport) found(ctx context.Context, g engine.Group) (start string, err error) {
	if start, err = t.startAt(ctx, g.From); err != nil {
		return "", err
	}
	args := []any{g.Name, start}
	for _, p := range g.Patterns {
		args = append(args, string(p))
	}
	answer, err := t.clients.run(ctx, foundScript, []string{t.names.groups()}, args...)
	if err != nil {
		return "", err
	}
	known, _ := answer.(string)
	switch {
	case known != "":
		start, _, _ = strings.Cut(known, " ")
	case g.From.IsNow():
		start = "$"
	}
	return start, nil
}

// foundScript writes down a group: where it starts, and what it asks for or ever has, with
// blanks between. It returns what stood there before, or "".
var foundScript = redis.NewScript(`
local before = redis.call('HGET', KEYS[1], ARGV[1])
local now = before or ARGV[2]
for i = 3, #ARGV do
	if not string.find(now .. ' ', ' ' .. ARGV[i] .. ' ', 1, true) then now = now .. ' ' .. ARGV[i] end
end
if now ~= before then redis.call('HSET', KEYS[1], ARGV[1], now) end
return before or ''`)

// enter makes sure of the group in the topic, and of the stream that is for it alone.
func (t *transport) enter(ctx context.Context, topic, group, at string) error {
	c := t.clients.commands
	if _, err := ask(ctx, t.clients, func() (int64, error) { return c.SAdd(ctx, t.names.topics(), topic).Result() }); err != nil {
		return err
	}
	for _, s := range []struct{ key, at string }{
		{t.names.stream(topic), at}, {t.names.own(topic, group).stream, fromBeginning},
	} {
		_, err := ask(ctx, t.clients, func() (string, error) { return c.XGroupCreateMkStream(ctx, s.key, group, s.at).Result() })
		if err != nil && reply(err) != "BUSYGROUP" {
			return fmt.Errorf("stream %s: %w", s.key, err)
		}
	}
	return nil
}

// wanted returns the topics in which there may be what a pattern selects, sorted: those
// that are known, and those that patterns name.
func (t *transport) wanted(ctx context.Context, patterns []eventbus.Pattern) ([]string, error) {
	marks, err := ask(ctx, t.clients, func() ([]string, error) {
		return t.clients.commands.SMembers(ctx, t.names.topics()).Result()
	})
	if err != nil {
		return nil, err
	}
	var topics []string
	for _, m := range marks {
		if topic, ok := chosen(m, patterns); ok {
			topics = append(topics, topic)
		}
	}
	for _, p := range patterns {
		if first, _, _ := strings.Cut(string(p), "."); first != "*" && first != "#" {
			topics = append(topics, first)
		}
	}
	slices.Sort(topics)
	return slices.Compact(topics), nil
}

// renew makes a group again that has vanished with its stream or alone. What is in the
// stream now came afterwards, or was not acknowledged for certain: it starts at the
// beginning, and nothing of it was moved before.
func (t *transport) renew(ctx context.Context, topic string, g engine.Group) error {
	_, err := t.found(ctx, engine.Group{Name: g.Name, Patterns: g.Patterns})
	if err == nil {
		_, err = ask(ctx, t.clients, func() (int64, error) {
			return t.clients.commands.Unlink(ctx, t.names.own(topic, g.Name).moved()).Result()
		})
	}
	err = errors.Join(err, t.enter(ctx, topic, g.Name, fromBeginning))
	if err == nil {
		t.logger().Warn("redisbus: a group had vanished from its topic and was made again: events may be lost or come again",
			"topic", topic, "group", g.Name)
	}
	return err
}
