package redisbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
)

// ResetGroup lets a group begin anew. One that has a member or does not exist is refused
// with an [eventbus.ValidationError].
func (t *transport) ResetGroup(ctx context.Context, group string, from eventbus.Start) error {
	patterns, err := t.deserted(ctx, group)
	if err != nil {
		return err
	}
	start, err := t.startAt(ctx, from)
	if err != nil {
		return typed(err)
	}
	// Written down first, it holds for topics that come while this is under way.
	if _, err := t.clients.run(ctx, restartScript, []string{t.names.groups()}, group, start); err != nil {
		return typed(err)
	}
	if from.IsNow() {
		start = "$"
	}
	topics, err := t.wanted(ctx, patterns)
	if err != nil {
		return typed(err)
	}
	if err := t.resetIn(ctx, topics, group, start); err != nil {
		return err
	}
	_, err = ask(ctx, t.clients, func() (int64, error) { return t.clients.commands.Unlink(ctx, t.names.ledger(group)).Result() })
	return typed(err)
}

// resetIn makes the group anew in the topics.
func (t *transport) resetIn(ctx context.Context, topics []string, group, start string) error {
	keys := make([][]string, len(topics))
	for i, topic := range topics {
		keys[i] = append([]string{t.names.stream(topic)}, t.names.own(topic, group).all()...)
	}
	_, errs := t.clients.runEach(ctx, resetScript, keys, group, start)
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("redisbus: reset in %s: %w", topics[i], typed(err))
		}
	}
	return errors.Join(errs...)
}

// startAt is the ID behind which a topic's events are that somebody wants who starts there.
func (t *transport) startAt(ctx context.Context, from eventbus.Start) (string, error) {
	switch {
	case from.IsNow():
		now, err := ask(ctx, t.clients, func() (time.Time, error) { return t.clients.commands.Time(ctx).Result() })
		return just(now), err
	case !from.Time().IsZero():
		return just(from.Time()), nil
	}
	return fromBeginning, nil
}

// restartScript writes down where a group starts, and keeps what it asks for.
var restartScript = redis.NewScript(`
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. (string.match(before, ' .*') or '')) end
return 1`)

// resetScript makes the group anew in one topic, and drops what is for it alone.
var resetScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then
	redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
	redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return 1`)
