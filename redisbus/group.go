package redisbus

import (
	"cmp"
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

// entered is in how many topics a group is made at once.
const entered = 100

// enter makes sure of the group in the topics, and of the streams that are for it alone, and
// returns by index what is wrong: in few round trips, however many there are.
func (t *transport) enter(ctx context.Context, topics []string, group, at string) (errs []error) {
	if len(topics) == 0 {
		return nil
	}
	_, err := ask(ctx, t.clients, func() (int64, error) {
		return t.clients.commands.SAdd(ctx, t.names.topics(), list(topics)...).Result()
	})
	if err != nil {
		return all(len(topics), err)
	}
	for some := range slices.Chunk(topics, entered) {
		errs = append(errs, t.create(ctx, some, group, at)...)
	}
	return errs
}

// create is that for topics that are known.
func (t *transport) create(ctx context.Context, topics []string, group, at string) []error {
	var made []*redis.StatusCmd
	err := t.questions(ctx, func(pipe redis.Pipeliner) {
		for _, topic := range topics {
			made = append(made, pipe.XGroupCreateMkStream(ctx, t.names.stream(topic), group, at),
				pipe.XGroupCreateMkStream(ctx, t.names.own(topic, group).stream, group, fromBeginning))
		}
	})
	errs := all(len(topics), err)
	if err != nil {
		return errs
	}
	for i, c := range made {
		if err := c.Err(); err != nil && reply(err) != "BUSYGROUP" {
			errs[i/2] = cmp.Or(errs[i/2], fmt.Errorf("stream %s: %w", c.Args()[2], err))
		}
	}
	return errs
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
	err = errors.Join(append(t.enter(ctx, []string{topic}, g.Name, fromBeginning), err)...)
	if err == nil {
		t.logger().Warn("redisbus: a group had vanished from its topic and was made again: events may be lost or come again",
			"topic", topic, "group", g.Name)
	}
	return err
}
