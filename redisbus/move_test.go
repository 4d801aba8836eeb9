package redisbus

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

func TestAMoveIsDoneOnce(t *testing.T) {
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	tr := newTransport(client, Options{}.withDefaults())
	t.Cleanup(func() { require.NoError(t, tr.clients.close()); require.NoError(t, client.Close()) })
	own := tr.names.own("order", "shop.mailer")
	length := func() int64 { return client.XLen(t.Context(), own.stream).Val() }
	move := []engine.Message{{To: engine.Address{Topic: "order", Group: "shop.mailer"}, Body: []byte("x")}}
	for range 2 {
		require.Empty(t, tr.Send(t.Context(), move))
		require.EqualValues(t, 1, length())
	}
	m.FlushAll()
	move[0].NotBefore = time.Now().Add(time.Hour)
	promote := func() {
		_, err := tr.clients.run(t.Context(), promoteScript, own.all(), promoted, moveMemory.Milliseconds())
		require.NoError(t, err)
	}
	for range 2 {
		require.Empty(t, tr.Send(t.Context(), move))
		promote()
		require.Zero(t, length())
		require.EqualValues(t, 1, client.ZCard(t.Context(), own.later()).Val())
	}
	m.SetTime(time.Now().Add(2 * time.Hour))
	promote()
	require.Empty(t, tr.Send(t.Context(), move), "its answer was lost, and it was promoted meanwhile")
	promote()
	require.EqualValues(t, 1, length())
	require.Zero(t, client.ZCard(t.Context(), own.later()).Val()+client.HLen(t.Context(), own.held()).Val())
}

func TestWhatWasNotSentIsNotUnknown(t *testing.T) {
	c := redis.NewStringCmd(t.Context())
	c.SetErr(io.EOF)
	b := &batch{traffic: &traffic{}, commands: []redis.Cmder{c}, silent: true}
	require.ErrorIs(t, b.outcomes()[0], engine.ErrNotStored)
}

// An entry's ID may be that of another event which was there before.
func TestAMoveIsOfOneEvent(t *testing.T) {
	name := func(id, source string, attempts int) string {
		return moveName(&engine.Message{Header: wire.Facts{Origin: "order/0/1-1", Attempts: attempts}.Append([]wire.Field{{Name: "ce_id", Value: id}, {Name: "ce_source", Value: source}})})
	}
	for _, other := range []string{name("b", "/x", 1), name("a", "/y", 1), name("a", "/x", 2), name("a/x", "", 1)} {
		require.NotEqual(t, name("a", "/x", 1), other)
	}
	again := name("a", "/x", 1)
	require.Equal(t, name("a", "/x", 1), again)
}

// A script that the server does not know, or has forgotten, runs nevertheless.
func TestAScriptRunsForEachOfManyKeys(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	tr := newTransport(client, Options{}.withDefaults())
	t.Cleanup(func() { require.NoError(t, tr.clients.close()); require.NoError(t, client.Close()) })
	keys := make([][]string, 120)
	for i := range keys {
		keys[i] = []string{fmt.Sprint("key", i)}
	}
	script := redis.NewScript(`if KEYS[1] == 'key77' then return redis.error_reply('ERR not this one') end return KEYS[1] .. ARGV[1]`)
	for range 2 {
		answers, errs := tr.clients.runEach(t.Context(), script, keys, "!")
		for i := range keys {
			if i == 77 {
				require.ErrorContains(t, errs[i], "not this one")
				continue
			}
			require.NoError(t, errs[i])
			require.Equal(t, keys[i][0]+"!", answers[i])
		}
		require.NoError(t, client.ScriptFlush(t.Context()).Err())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errs := tr.clients.runEach(ctx, script, keys, "!")
	require.Len(t, errs, len(keys))
	for _, err := range errs {
		require.Error(t, err)
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for version, is := range map[string]bool{"6.2.14": true, "7.0.15": true, "7.2.0": false, "7.2": false, "8.0.2": false, "": false, "unstable": false} {
		require.Equal(t, is, older(version, 7, 2), version)
	}
}
