package redisbus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// letterTypeError means that a key of the letters holds something else, and that nothing
// was changed. It is an error of Redis, of the kind WRONGTYPE.
type letterTypeError struct{ key, is, wants string }

var _ redis.Error = (*letterTypeError)(nil)

func (e *letterTypeError) Error() string {
	return fmt.Sprintf("WRONGTYPE %s is a %s, where the dead letters have a %s", e.key, e.is, e.wants)
}

// RedisError makes it a redis.Error.
func (e *letterTypeError) RedisError() {}

// failed says what was being done. The error matches this package's for what the server
// says; of a call whose context has ended also the context's, and of a client that is
// closed eventbus.ErrClosed.
func (s *letterStore) failed(ctx context.Context, doing string, err error) error {
	err = typed(err)
	switch ended := ctx.Err(); {
	case ended != nil && !errors.Is(err, ended):
		err = fmt.Errorf("%w: %w", ended, err)
	case errors.Is(err, redis.ErrClosed):
		err = fmt.Errorf("%w: %w", eventbus.ErrClosed, err)
	}
	return fmt.Errorf("redisbus: %s: %w", doing, err)
}

// letterName shows an ID in an error: quoted if it is none that this package makes.
func letterName(id string) string {
	const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
	if id == "" || len(id) > 64 || strings.Trim(id, plain) != "" {
		return "letter " + excerpt.Of(id)
	}
	return "letter " + id
}

// unreadableLetter is the error of a letter that somebody else has written, or changed.
func unreadableLetter(id string, why error) error {
	return fmt.Errorf("%s cannot be read: %w", letterName(id), why)
}
