package redisbus

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// said is a server's answer.
type said string

func (s said) Error() string { return string(s) }
func (said) RedisError()     {}

func TestWhatMayBeOvertakenIsNotSentAgain(t *testing.T) {
	cmd := func(id string, err error) redis.Cmder {
		c := redis.NewStringCmd(t.Context())
		c.SetVal(id)
		c.SetErr(err)
		return c
	}
	full := said("OOM command not allowed")
	for name, later := range map[string]redis.Cmder{"stored": cmd("1-1", nil), "unknown": cmd("", io.EOF)} {
		b := &batch{traffic: &traffic{}, commands: []redis.Cmder{cmd("", full), later}}
		errs := b.outcomes()
		require.ErrorIs(t, errs[0], eventbus.ErrRefused, name)
		require.NotErrorIs(t, errs[0], engine.ErrNotStored, name)
	}
	b := &batch{traffic: &traffic{}, commands: []redis.Cmder{cmd("", full), cmd("", full)}}
	for _, err := range b.outcomes() {
		require.ErrorIs(t, err, engine.ErrNotStored)
	}
}

func TestLargeMessagesAreSentInPieces(t *testing.T) {
	ms := make([]engine.Message, 20)
	require.Equal(t, 20, fitting(ms))
	for i := range ms {
		ms[i].Body = make([]byte, 960<<10)
	}
	require.Equal(t, 4, fitting(ms))
	ms[0].Body = make([]byte, piece+1)
	require.Equal(t, 1, fitting(ms))
	for err, want := range map[error]bool{
		nil: false, eventbus.ErrRefused: false, errors.New("other"): false,
		fmt.Errorf("%w: x", engine.ErrNotStored): true, fmt.Errorf("%w: x", eventbus.ErrUnknown): true,
	} {
		require.Equal(t, want, stuck([]error{nil, err}), err)
	}
}

func TestSmallerPortionsAfterTimeOuts(t *testing.T) {
	var p portion
	require.Equal(t, 1, p.of(0))
	require.Equal(t, 100, p.of(100))
	p.came(100, io.EOF)
	require.Equal(t, 100, p.of(100), "a line that broke is not slow")
	p.came(100, timeOut{})
	require.Equal(t, 25, p.of(100))
	p.came(1, timeOut{})
	require.Equal(t, 1, p.of(100))
	for range 100 {
		p.came(p.of(100), nil)
	}
	require.Equal(t, 100, p.of(100))
}

type timeOut struct{}

func (timeOut) Error() string   { return "time-out" }
func (timeOut) Timeout() bool   { return true }
func (timeOut) Temporary() bool { return true }
