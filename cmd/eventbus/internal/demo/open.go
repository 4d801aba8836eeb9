package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// Opener makes a bus.
type Opener = func(eventbus.Options) (eventbus.EventBus, error)

// OpenMemory makes a bus in the memory of this process.
func OpenMemory(o eventbus.Options) (eventbus.EventBus, error) {
	return memory.New(memory.Options{Options: o})
}

// OpenURL returns what makes a bus on the broker of the URL: memory: or redis://… The error
// says what is wrong with the URL, without its password.
func OpenURL(url string) (Opener, error) {
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	case "memory":
		return OpenMemory, nil
	case "redis", "rediss", "unix":
		o, err := redis.ParseURL(url)
		if err != nil {
			return nil, errors.New("must be redis://[user:password@]host:port[/database]")
		}
		redis.SetLogger(silence{})
		return func(options eventbus.Options) (eventbus.EventBus, error) { return openRedis(o, options) }, nil
	}
	return nil, errors.New("must begin with memory: or redis://")
}

// silence keeps the client library from writing to standard error what its callers say too.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// onRedis is a bus under a prefix of its own, which it removes when it is shut down.
type onRedis struct {
	*redisbus.Bus
	client *redis.Client
	prefix string
}

func openRedis(server *redis.Options, o eventbus.Options) (eventbus.EventBus, error) {
	b := &onRedis{client: redis.NewClient(server), prefix: "eventbus-demo-" + strings.ToLower(rand.Text()[:12])}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := reach(ctx, b.client); err != nil {
		return nil, errors.Join(err, b.client.Close())
	}
	var err error
	b.Bus, err = redisbus.New(b.client, redisbus.Options{Options: o, Prefix: b.prefix})
	if err != nil {
		return nil, errors.Join(err, b.client.Close())
	}
	return b, nil
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

// Shutdown ends the bus and removes what it has left on the server: while ctx lasts, and
// for 5 s at least.
func (b *onRedis) Shutdown(ctx context.Context) error {
	until := time.Now().Add(5 * time.Second)
	if end, ok := ctx.Deadline(); ok && end.After(until) {
		until = end
	}
	err := b.Bus.Shutdown(ctx)
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	left := b.remove(ctx)
	for p := newPatience(time.Until(until)); left != nil && p.rest(ctx); {
		left = b.remove(ctx)
	}
	if left != nil {
		left = fmt.Errorf("keys of %s may be left: %w", b.prefix, left)
	}
	return errors.Join(err, left, b.client.Close())
}

// remove removes the bus's keys.
func (b *onRedis) remove(ctx context.Context) error {
	var errs []error
	keys := b.client.Scan(ctx, 0, "*"+b.prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		errs = append(errs, b.client.Unlink(ctx, keys.Val()).Err())
	}
	return errors.Join(append(errs, keys.Err())...)
}
