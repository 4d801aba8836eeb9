package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

func openRedis(server *redis.Options, o eventbus.Options) (eventbus.EventBus, error) {
	c := redis.NewClient(server)
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	if err := reach(ctx, c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	prefix := ownPrefix()
	bus, err := redisbus.New(c, redisbus.Options{Options: o, Prefix: prefix})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	remove := func(ctx context.Context) error { return removeKeys(ctx, c, prefix) }
	return &onServer{EventBus: bus, prefix: prefix, remove: remove, close: c.Close}, nil
}

// reach says what is wrong if the server lets nobody in.
func reach(ctx context.Context, c *redis.Client) error {
	err := c.Ping(ctx).Err()
	var said redis.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		return fmt.Errorf("the Redis of --bus refuses: %w: give user and password, redis://user:password@host:port", err)
	}
	return fmt.Errorf("the Redis of --bus does not answer; start it, or give another address: %w", err)
}

// removeKeys removes the keys that have the prefix in their names.
func removeKeys(ctx context.Context, c *redis.Client, prefix string) error {
	var errs []error
	keys := c.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		errs = append(errs, c.Unlink(ctx, keys.Val()).Err())
	}
	return errors.Join(append(errs, keys.Err())...)
}
