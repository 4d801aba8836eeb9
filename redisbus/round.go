package redisbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// round does what is to be done now and then, and returns when there is more to promote. What
// is wrong with one thing, or with one topic, stops no other: a full memory refuses to take in
// what is due, and must not keep the member from trimming.
func (m *member) round(ctx context.Context) (time.Duration, error) {
	found := m.discover(ctx, "")
	if found != nil {
		found = fmt.Errorf("redisbus: look for topics: %w", typed(found))
	}
	if errors.Is(found, ErrCredentials) { // nothing else gets in
		return 0, found
	}
	wait, err := m.promote(ctx)
	return wait, errors.Join(found, err, m.present(ctx, absent), m.tidy(ctx))
}

// promote puts what is due into the group's streams, and returns when it is to be
// called next.
func (m *member) promote(ctx context.Context) (time.Duration, error) {
	t, topics := m.transport, m.topics()
	keys := make([][]string, len(topics))
	for i, topic := range topics {
		keys[i] = t.names.own(topic, m.group.Name).all()
	}
	answers, errs := t.clients.runEach(ctx, promoteScript, keys, promoted, moveMemory.Milliseconds())
	next := time.Duration(1<<63 - 1)
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("redisbus: retries that are due cannot be moved to %s: %w", keys[i][0], typed(err))
			continue
		}
		if wait, _ := answers[i].(int64); wait >= 0 {
			next = min(next, time.Duration(wait)*time.Millisecond)
		}
	}
	return next, errors.Join(errs...)
}

const (
	// absent is how long a member may give no sign of life and still be one.
	absent = 5 * time.Second
	// unopened is that for one that is not started yet.
	unopened = time.Minute
)

// presentScript forgets members that are gone, and writes down until when this one is one. In
// this order: a full memory refuses a script's first write alone, and lets all pass behind one
// that needs no room. Else the living would look dead, and their group could be deleted.
var presentScript = redis.NewScript(luaNow + `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now() - 60000)
redis.call('ZADD', KEYS[1], now() + ARGV[2], ARGV[1])
return 1`)

// present is the member's sign of life.
func (m *member) present(ctx context.Context, lasts time.Duration) error {
	t := m.transport
	_, err := t.clients.run(ctx, presentScript, []string{t.names.members(m.group.Name)}, m.instance, lasts.Milliseconds())
	if err != nil {
		return fmt.Errorf("redisbus: sign of life of %s: %w", m.group.Name, typed(err))
	}
	return nil
}
