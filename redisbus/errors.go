package redisbus

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Errors to match with errors.Is.
var (
	// ErrPermission means that the server's user may not do it: the text names the command or
	// the key, as the server does, and docs/redis.md the grants.
	ErrPermission = errors.New("not permitted")
	// ErrCredentials means that the server does not accept user and password, or wants some.
	ErrCredentials = errors.New("credentials not accepted")
	// ErrWrongType means that a key of the bus holds something else.
	ErrWrongType = errors.New("a key is of another type")
	// ErrReadOnly means that the server is a replica.
	ErrReadOnly = errors.New("the server is a read-only replica")
	// ErrVanished means that the server had lost a group, or a topic with it, as after a
	// FLUSHALL or an end without a disk. The bus has made the group again, and what was
	// accepted before may be lost. It is logged, and comes with Observer.Reconnected.
	ErrVanished = errors.New("a group had vanished from its topic: events may be lost or come again")
	// ErrTrimmed means that somebody has deleted or trimmed entries that a group needed yet: they were
	// never handled, and the text says how many. It is logged, and comes with
	// Observer.Reconnected, once for each loss.
	ErrTrimmed = errors.New("entries were deleted or trimmed before they were handled")
	// ErrVersion means that the server is older than Redis 7.0.
	ErrVersion = errors.New("the server is too old")
)

// permanent are the server's words for what does not pass by itself, and our errors for
// them.
var permanent = map[string]error{
	"NOPERM": ErrPermission, "WRONGPASS": ErrCredentials, "NOAUTH": ErrCredentials,
	"WRONGTYPE": ErrWrongType, "READONLY": ErrReadOnly,
}

// reply returns the first word of what the server has answered, or "" if it has not
// answered, or nothing that is an error.
func reply(err error) string {
	var said redis.Error
	if !errors.As(err, &said) || errors.Is(err, redis.Nil) {
		return ""
	}
	if errors.Is(err, redis.ErrClosed) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return ""
	}
	text := said.Error()
	if strings.HasPrefix(text, "ERR ACL failure in script") { // what a script may not do
		return "NOPERM"
	}
	word, _, _ := strings.Cut(text, " ")
	return strings.TrimSuffix(word, ":")
}

// typed makes an error of ours of what the server says, with its text.
func typed(err error) error {
	if ours := permanent[reply(err)]; ours != nil {
		return fmt.Errorf("%w: %w", ours, err)
	}
	return err
}

// unsent reports whether nothing can have reached the server.
func unsent(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed)
}

// outcome is what the engine is told of a message: what the server refuses is not
// stored, for now or for good; without an answer nobody knows.
func outcome(err error) error {
	switch word := reply(err); {
	case err == nil:
		return nil
	case errors.Is(err, redis.ErrClosed):
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrClosed)
	case word == "ERR" && !strings.Contains(err.Error(), "max number of clients"),
		word != "READONLY" && permanent[word] != nil: // a replica may become the master
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, typed(err))
	case word != "" || unsent(err):
		return fmt.Errorf("%w: %w", engine.ErrNotStored, typed(err))
	}
	return fmt.Errorf("%w: %w", eventbus.ErrUnknown, err)
}

// notSent is the outcome of messages that were not sent, for the reason given.
func notSent(err error) error {
	out := outcome(err)
	if errors.Is(out, eventbus.ErrUnknown) {
		return &unsentError{err}
	}
	return out
}

// unsentError is an error after which nothing is unknown.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

func (e *unsentError) Is(target error) bool { return target == engine.ErrNotStored }

// noGroup reports whether a stream or its group has gone.
func noGroup(err error) bool {
	switch reply(err) {
	case "NOGROUP", "UNBLOCKED":
		return true
	}
	return err != nil && strings.Contains(err.Error(), "no such key")
}
