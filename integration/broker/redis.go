package broker

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

const redisImage = "redis:8.0"

// OldestRedis is the image of the oldest Redis that the bus works with.
const OldestRedis = "redis:7.0"

type redisProtocol struct{}

func (redisProtocol) name() string     { return "Redis" }
func (redisProtocol) variable() string { return "EVENTBUS_TEST_REDIS" }
func (redisProtocol) image() string    { return redisImage }
func (redisProtocol) inside() []string { return []string{"6379/tcp"} }
func (redisProtocol) proxiedPort() int { return 0 }

func (redisProtocol) at(ports []int) Server {
	addr := local(ports[0])
	return Server{Kind: Redis, Addr: addr, URL: "redis://" + addr + "/0"}
}

func (redisProtocol) parse(value string) (Server, error) {
	if !strings.Contains(value, "://") {
		value = "redis://" + value
	}
	o, err := redis.ParseURL(value)
	if err != nil {
		return Server{}, errors.New("neither host:port nor redis://[user:password@]host:port[/database]")
	}
	return Server{Kind: Redis, Addr: o.Addr, URL: value}, nil
}

// settings: what was answered survives a SIGKILL, since the file is written before the
// answer is.
func (redisProtocol) settings([]int, int) Spec {
	return Spec{Cmd: []string{"redis-server", "--appendonly", "yes", "--save", ""}}
}

// use calls f with a client that tries everything once.
func (redisProtocol) use(s Server, f func(*redis.Client) error) (err error) {
	o, err := redis.ParseURL(s.URL)
	if err != nil {
		return err
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	c := redis.NewClient(o)
	defer func() { err = errors.Join(err, c.Close()) }()
	return f(c)
}

func (p redisProtocol) ready(ctx context.Context, s Server) error {
	return p.use(s, func(c *redis.Client) error { return c.Ping(ctx).Err() })
}

func (p redisProtocol) names(ctx context.Context, s Server, prefix string) (names []string, err error) {
	err = p.use(s, func(c *redis.Client) error {
		keys := c.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			names = append(names, keys.Val())
		}
		return keys.Err()
	})
	return names, err
}

func (p redisProtocol) remove(ctx context.Context, s Server, names []string) error {
	return p.use(s, func(c *redis.Client) error { return c.Unlink(ctx, names...).Err() })
}
