package redisbus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// letterHook is called before each command.
type letterHook func(args []any)

func (letterHook) DialHook(next redis.DialHook) redis.DialHook { return next }
func (before letterHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		before(cmd.Args())
		return next(ctx, cmd)
	}
}

func (letterHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestAllKeysAreInOneSlot, as a cluster wants it, whatever the ID.
func TestAllKeysAreInOneSlot(t *testing.T) {
	s := testServers(t)[0]
	scripts := 0
	s.client.AddHook(letterHook(func(args []any) {
		if args[0] != "eval" && args[0] != "evalsha" {
			return
		}
		scripts++
		for _, key := range args[3 : 3+args[2].(int)] {
			require.True(t, strings.HasPrefix(key.(string), "{p:dlq}"), key)
		}
	}))
	w := newLetterTwins(t, s)
	l := lettertwins.Letter(0)
	l.ID = "{x}"
	w.Put(l)
	require.NoError(t, w.Take(l.ID, time.Minute))
	w.Release(l.ID)
	w.Count(dlq.Filter{Text: "e-0"})
	w.ListAll(dlq.Filter{IDs: []string{l.ID}}, 1)
	w.Remove(l.ID)
	require.Greater(t, scripts, 7)
}

// TestALetterThatComesAnewWhileItIsReadIsAnother: it was not there when the listing began.
func TestALetterThatComesAnewWhileItIsReadIsAnother(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		store := storeOn(s.client, s.prefix)
		for _, f := range []dlq.Filter{{}, {IDs: []string{"000000", "000001", "000002"}}, {Group: "shop", After: lettertwins.Letter(1).LastFailure}} {
			for i := range 9 {
				require.NoError(t, store.Put(t.Context(), lettertwins.Letter(i)))
			}
			between := true
			s.client.AddHook(letterHook(func(args []any) {
				if between && args[0] == "hmget" {
					between = false
					n, err := store.Remove(t.Context(), "000000", "000001", "000002", "000003", "000004", "000005", "000006")
					require.NoError(t, err)
					require.Equal(t, 7, n)
					require.NoError(t, store.Put(t.Context(), lettertwins.Letter(1)))
				}
			}))
			p, err := store.Page(t.Context(), f, "", 9)
			require.NoError(t, err)
			require.False(t, between)
			require.NotContains(t, lettertwins.IDs(p.Letters), "000001")
			require.Empty(t, p.Next)
			_, err = store.Remove(t.Context(), "000001")
			require.NoError(t, err)
		}
	})
}
