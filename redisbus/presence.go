package redisbus

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// absent is how long a member may give no sign of life and still be one.
	absent = 5 * time.Second
	// unopened is that for one that is not started yet.
	unopened = time.Minute
)

// presentScript writes down until when a member is one, and forgets those that are gone.
var presentScript = redis.NewScript(luaNow + `
redis.call('ZADD', KEYS[1], now() + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now() - 60000)
return 1`)

// present is the member's sign of life.
func (m *member) present(ctx context.Context, lasts time.Duration) error {
	t := m.transport
	_, err := t.clients.run(ctx, presentScript, []string{t.names.members(m.group.Name)}, m.name, lasts.Milliseconds())
	if err != nil {
		return fmt.Errorf("redisbus: sign of life of %s: %w", m.group.Name, typed(err))
	}
	return nil
}
