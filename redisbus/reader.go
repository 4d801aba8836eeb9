package redisbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// blocked is how long a read waits at the server.
const blocked = time.Second

// reader is the source of what nobody was handed yet. Its reads wait at the server, over
// a connection of their own.
type reader struct {
	feedOf
	client *redis.Client
}

var _ engine.Source = (*reader)(nil)

func newReader(m *member, topic string) *reader {
	return &reader{newFeedOf(m, topic, m.name), m.transport.clients.reader()}
}

// Receive waits for new entries.
func (r *reader) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(r.buffer) > 0 {
		return r.hand(most), nil
	}
	// A read that waits does not end with its context: the connection does, which is not
	// needed after that.
	defer context.AfterFunc(ctx, func() { _ = r.client.Close() })()
	reading := context.WithoutCancel(ctx)
	cmd := redis.NewCmd(reading, "xreadgroup", "group", r.member.group.Name, r.consumer,
		"count", max(most, 1), "block", blocked.Milliseconds(), "streams", r.streams[fromTopic], r.streams[fromOwn], ">", ">")
	_ = r.client.Process(reading, cmd)
	answer, err := cmd.Result()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, redis.Nil):
		return nil, nil
	case noGroup(err):
		return nil, r.member.transport.renew(ctx, r.topic, r.member.group.Name)
	case err != nil:
		return nil, fmt.Errorf("redisbus: read %s: %w", r.streams[fromTopic], typed(err))
	}
	err = parseStreams(answer, func(key string, e streamEntry) {
		which := fromTopic
		if key == r.streams[fromOwn] {
			which = fromOwn
		}
		r.buffer = append(r.buffer, r.delivery(uint64(which), e, 0))
	})
	return r.hand(most), err
}

// Close gives back what was not acknowledged.
func (r *reader) Close(ctx context.Context) error {
	_ = r.client.Close()
	return r.leave(ctx)
}
