package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// redisVariable names the server: host:port, or a URL.
const redisVariable = "EVENTBUS_TEST_REDIS"

var errNoRedis = errors.New("no server: docker run --rm -d -p 127.0.0.1:6399:6379 redis:8.0 redis-server --appendonly yes, then " + redisVariable + "=127.0.0.1:6399")

// redisSpace is a prefix on the server, and a client of go-redis with its defaults.
type redisSpace struct {
	ctx    context.Context
	client *redis.Client
	prefix string
}

// redisOptions are what a URL alone says.
func redisOptions() (*redis.Options, error) {
	at := os.Getenv(redisVariable)
	if at == "" {
		return nil, errNoRedis
	}
	if !strings.Contains(at, "://") {
		at = "redis://" + at
	}
	o, err := redis.ParseURL(at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", redisVariable, err)
	}
	return o, nil
}

func newRedisSpace(ctx context.Context) (*redisSpace, error) {
	o, err := redisOptions()
	if err != nil {
		return nil, err
	}
	return &redisSpace{ctx: ctx, client: redis.NewClient(o), prefix: newPrefix()}, nil
}

// stream is where the events are; that of the bus is named so by docs/wire-redis.md.
func (s *redisSpace) stream(topic string) string { return "{" + s.prefix + ":" + topic + ":0}" }

func (s *redisSpace) stored(stream string) (int, error) {
	n, err := s.client.XLen(s.ctx, stream).Result()
	return int(n), err
}

// Busy adds up what the server says of all commands since it was started. Others must
// leave it alone meanwhile.
func (s *redisSpace) Busy() (sum time.Duration, err error) {
	text, err := s.client.Info(s.ctx, "commandstats").Result()
	for _, line := range strings.Split(text, "\r\n") {
		var calls, micros int64
		_, stats, ok := strings.Cut(line, ":")
		if n, _ := fmt.Sscanf(stats, "calls=%d,usec=%d", &calls, &micros); ok && n == 2 {
			sum += time.Duration(micros) * time.Microsecond
		}
	}
	return sum, err
}

// close removes what is under the prefix.
func (s *redisSpace) close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
	defer cancel()
	keys := s.client.Scan(ctx, 0, "*"+s.prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := s.client.Unlink(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
	return errors.Join(keys.Err(), s.client.Close())
}

// shape is what the events of a load look like.
type shape struct {
	name       string
	made       eventbus.DomainEvent
	aggregates int
}

// ordered is an order whose payload is so many bytes of JSON.
func ordered(size int) shape {
	order := typical
	order.Note += strings.Repeat(".", max(0, size-len(eventbus.New("", order).Data())))
	return shape{name: fmt.Sprintf("payload=%dB", size), made: eventbus.New("", order), aggregates: 1600}
}

// permit is a line of the log of a municipality's building permits: 8,577 events of 1,434
// cases, nearly all of them as long as this one.
func permit() shape {
	e := eventbus.New("", typical).WithData("application/json", []byte(`{"activity":"T02 Check confirmation of receipt","group":"Group 4",`+
		`"resource":"Resource26","channel":"Internet","department":"General","responsible":"Resource26"}`))
	e.Type, e.AggregateType, e.Source, e.SchemaVersion = "permit.t02_check_confirmation_of_receipt", "permit", "/permits/wabo", 0
	return shape{name: "permits", made: e, aggregates: 1472} // which 64 publishers can share
}

// redisBus is the bus on Redis, as a user gets it.
type redisBus struct {
	*redisSpace
	*logBus
}

func (s shape) bus(ctx context.Context, l load.Load) (load.Log, error) {
	space, err := newRedisSpace(ctx)
	if err != nil {
		return nil, err
	}
	bus, err := redisbus.New(space.client, redisbus.Options{Prefix: space.prefix, Options: eventbus.Options{Group: "bench"}})
	if err != nil {
		return nil, errors.Join(err, space.close())
	}
	side := &busSide{ctx: ctx, load: l, bus: bus, made: s.made, ids: eventIDs()}
	return &redisBus{space, &logBus{busSide: side, shape: s}}, bus.Start(ctx)
}

func (b *redisBus) Stored() (int, error) { return b.stored(b.stream(b.shape.made.AggregateType)) }

func (b *redisBus) Stop() error { return errors.Join(b.busSide.Stop(), b.close()) }

// readers are the goroutines of a side's subscribers.
type readers struct {
	mu     sync.Mutex
	failed error
	all    sync.WaitGroup
}

func (r *readers) run(read func() error) {
	r.all.Go(func() {
		if err := read(); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.failed = errors.Join(r.failed, err)
		}
	})
}

func (r *readers) wait() error {
	r.all.Wait()
	return r.failed
}
