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
)

// Opener makes a bus.
type Opener = func(eventbus.Options) (eventbus.EventBus, error)

// OpenMemory makes a bus in the memory of this process.
func OpenMemory(o eventbus.Options) (eventbus.EventBus, error) {
	return memory.New(memory.Options{Options: o})
}

// OpenURL returns what makes a bus on the broker of the URL: memory:, redis://…, amqp://… or
// kafka://… The error says what is wrong with the URL, without its password.
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
	case "amqp", "amqps":
		if err := legalRabbit(url); err != nil {
			return nil, err
		}
		return func(options eventbus.Options) (eventbus.EventBus, error) { return openRabbit(url, options) }, nil
	case "kafka":
		o, err := parseKafka(url)
		if err != nil {
			return nil, err
		}
		return func(options eventbus.Options) (eventbus.EventBus, error) { return openKafka(o, options) }, nil
	}
	return nil, errors.New("must begin with memory:, redis://, amqp:// or kafka://")
}

// silence keeps the client library from writing to standard error what its callers say too.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// onServer is a bus under a prefix of its own, of which nothing is left on the server when it
// is shut down.
type onServer struct {
	eventbus.EventBus
	prefix string
	remove func(context.Context) error // what the bus has on the server, when it is shut down
	close  func() error
}

func (b *onServer) Unwrap() eventbus.EventBus { return b.EventBus }

// ownPrefix is one that no other demo has.
func ownPrefix() string { return "eventbus-demo-" + strings.ToLower(rand.Text()[:12]) }

// Shutdown ends the bus and removes what it has left on the server: while ctx lasts, and
// for 5 s at least.
func (b *onServer) Shutdown(ctx context.Context) error {
	until := time.Now().Add(answerTimeout)
	if end, ok := ctx.Deadline(); ok && end.After(until) {
		until = end
	}
	err := b.EventBus.Shutdown(ctx)
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	left := b.remove(ctx)
	for p := newPatience(time.Until(until)); left != nil && p.rest(ctx); {
		left = b.remove(ctx)
	}
	if left != nil {
		left = fmt.Errorf("something of %s may be left: %w", b.prefix, left)
	}
	return errors.Join(err, left, b.close())
}

// answerTimeout is how long a server may take to answer at all.
const answerTimeout = 5 * time.Second
