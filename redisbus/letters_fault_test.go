package redisbus

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestAKeyOfAnotherTypeChangesNothing: whichever it is, and it is named.
func TestAKeyOfAnotherTypeChangesNothing(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		store := storeOn(s.client, s.prefix)
		root := "{" + s.prefix + ":dlq}"
		require.NoError(t, store.Put(t.Context(), lettertwins.Letter(0)))
		calls := map[string]func() error{
			"put":     func() error { return store.Put(t.Context(), lettertwins.Letter(1)) },
			"page":    func() error { _, err := store.Page(t.Context(), dlq.Filter{}, "", 9); return err },
			"count":   func() error { _, err := store.Count(t.Context(), dlq.Filter{}); return err },
			"take":    func() error { _, err := store.Take(t.Context(), "000000", time.Minute); return err },
			"release": func() error { return store.Release(t.Context(), "000000") },
			"remove":  func() error { _, err := store.Remove(t.Context(), "000000"); return err },
		}
		for key, wants := range map[string]string{root: "hash", root + ":index": "zset", root + ":seq": "string", root + ":lease:000000": "string"} {
			kept := s.client.Dump(t.Context(), key).Val()
			s.client.Del(t.Context(), key)
			require.NoError(t, s.client.RPush(t.Context(), key, "x").Err())
			before := s.dump(t)
			for name, call := range calls {
				if wants == "string" && strings.Contains(key, "lease") && (name == "put" || name == "page" || name == "count") {
					require.NoError(t, call(), "%s has nothing to do with leases", name)
					if name == "put" {
						_, err := store.Remove(t.Context(), "000001")
						require.NoError(t, err)
						before = s.dump(t)
					}
					continue
				}
				err := call()
				var wrong *letterTypeError
				require.ErrorAs(t, err, &wrong, "%s with %s", name, key)
				require.Equal(t, letterTypeError{key: key, is: "list", wants: wants}, *wrong)
				require.ErrorContains(t, err, "redisbus: ")
				require.ErrorIs(t, err, ErrWrongType)
				require.Equal(t, before, s.dump(t), "%s with %s", name, key)
			}
			s.client.Del(t.Context(), key)
			if kept != "" {
				require.NoError(t, s.client.Restore(t.Context(), key, 0, kept).Err())
			}
		}
	})
}

// TestFullMemoryRefusesALetterAsAWhole: and the letters can still be looked at and removed.
func TestFullMemoryRefusesALetterAsAWhole(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		store := storeOn(s.client, s.prefix)
		require.NoError(t, store.Put(t.Context(), lettertwins.Letter(0)))
		before := s.dump(t)
		full, empty := s.memory(t)
		full()
		err := store.Put(t.Context(), lettertwins.Letter(1))
		require.ErrorIs(t, err, dlq.ErrFull)
		require.True(t, redis.IsOOMError(err))
		require.ErrorContains(t, err, "redisbus: store letter 000001: dead letters are full: OOM ")
		if s.mini == nil {
			require.NoError(t, store.Put(t.Context(), lettertwins.Letter(0)), "what is there already needs no room")
			_, err := store.Take(t.Context(), "000000", time.Minute)
			require.True(t, redis.IsOOMError(err))
			require.NotErrorIs(t, err, dlq.ErrFull)
			require.Equal(t, before, s.dump(t))
			p, err := store.Page(t.Context(), dlq.Filter{}, "", 9)
			require.NoError(t, err)
			require.Len(t, p.Letters, 1)
			n, err := store.Remove(t.Context(), "000000")
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		empty()
		require.NoError(t, store.Put(t.Context(), lettertwins.Letter(1)))
		p, err := store.Page(t.Context(), dlq.Filter{Text: "e-1"}, "", 9)
		require.NoError(t, err)
		require.Equal(t, []string{"000001"}, lettertwins.IDs(p.Letters))
	})
}

// memory returns what fills the server's memory, and what ends that.
func (s testServer) memory(t *testing.T) (full, empty func()) {
	if s.mini != nil {
		return func() { s.mini.SetError("OOM command not allowed when used memory > 'maxmemory'.") }, func() { s.mini.SetError("") }
	}
	old := map[string]string{}
	for _, name := range []string{"maxmemory", "maxmemory-policy"} {
		got, err := s.client.ConfigGet(t.Context(), name).Result()
		require.NoError(t, err)
		old[name] = got[name]
	}
	set := func(ctx context.Context, memory, policy string) {
		require.NoError(t, s.client.ConfigSet(ctx, "maxmemory-policy", "noeviction").Err()) // before there is a bound
		require.NoError(t, s.client.ConfigSet(ctx, "maxmemory", memory).Err())
		require.NoError(t, s.client.ConfigSet(ctx, "maxmemory-policy", policy).Err())
	}
	empty = func() { set(context.WithoutCancel(t.Context()), old["maxmemory"], old["maxmemory-policy"]) }
	t.Cleanup(empty)
	return func() { set(t.Context(), "1", "noeviction") }, empty
}

// TestAUserWhoMayNotDoEverythingStoresNoHalfLetter: the same call succeeds later.
func TestAUserWhoMayNotDoEverythingStoresNoHalfLetter(t *testing.T) {
	s, ok := realServer(t)
	if !ok {
		t.Skip("miniredis knows no permissions")
	}
	user := s.prefix + "-user"
	t.Cleanup(func() { s.client.ACLDelUser(context.WithoutCancel(t.Context()), user) })
	for _, command := range []string{"incr", "zadd", "hset"} {
		rules := []string{"on", ">geheim", "~*", "+@all", "-" + command}
		require.NoError(t, s.client.ACLSetUser(t.Context(), user, rules...).Err())
		o := *s.client.Options()
		o.Username, o.Password = user, "geheim"
		store := storeOn(testClient(t, &o), s.prefix)
		err := store.Put(t.Context(), lettertwins.Letter(1))
		var said redis.Error
		require.ErrorAs(t, err, &said)
		require.ErrorContains(t, err, "redisbus: store letter 000001: ")
		require.ErrorContains(t, err, "no permissions to run the '"+command+"' command")
		require.NoError(t, s.client.ACLSetUser(t.Context(), user, "+@all").Err())
		require.NoError(t, store.Put(t.Context(), lettertwins.Letter(1)))
		p, err := store.Page(t.Context(), dlq.Filter{}, "", 9)
		require.NoError(t, err)
		require.Len(t, p.Letters, 1, "without %s", command)
		_, err = store.Remove(t.Context(), "000001")
		require.NoError(t, err)
	}
}

// TestScriptsThatTheServerForgotAreSentAgain, which it does when it starts anew.
func TestScriptsThatTheServerForgotAreSentAgain(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		w := newLetterTwins(t, s)
		for _, does := range []func(){
			func() { w.Put(lettertwins.Letter(0)) }, func() { require.NoError(t, w.Take("000000", time.Minute)) }, func() { w.Release("000000") },
			func() { require.Equal(t, 1, w.Count(dlq.Filter{})) }, func() { require.Len(t, w.ListAll(dlq.Filter{}, 1), 1) },
			func() { require.Len(t, w.ListAll(dlq.Filter{IDs: []string{"000000"}}, 1), 1) }, func() { require.Equal(t, 1, w.Remove("000000")) },
		} {
			require.NoError(t, s.client.ScriptFlush(t.Context()).Err())
			does()
		}
	})
}

func TestErrorsSayWhatIsTheMatterAndNoSecret(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		o := *s.client.Options()
		closed := testClient(t, &o)
		require.NoError(t, closed.Close())
		_, err := storeOn(closed, s.prefix).Take(t.Context(), "a\nb", time.Second)
		require.ErrorIs(t, err, eventbus.ErrClosed)
		require.ErrorContains(t, err, `redisbus: take letter "a\nb": `)

		refused := *s.client.Options()
		refused.Username, refused.Password = "nobody", "geheim"
		if s.mini != nil {
			s.mini.RequireUserAuth("somebody", "else")
		}
		err = storeOn(testClient(t, &refused), s.prefix).Put(t.Context(), lettertwins.Letter(0))
		require.ErrorIs(t, err, ErrCredentials)
		require.ErrorContains(t, err, "redisbus: store letter 000000: ")
		require.NotContains(t, err.Error(), "geheim")
	})
}

// TestWhatIsAskedAfterTheTimeIsUpMatchesTheContext, as dlq.Queue promises.
func TestWhatIsAskedAfterTheTimeIsUpMatchesTheContext(t *testing.T) {
	s := storeOn(nil, "p")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.failed(ctx, "list letters", context.DeadlineExceeded)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestACallOfLettersEndsWithItsContext, though the server does not answer and the client would
// wait for ever.
func TestACallOfLettersEndsWithItsContext(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, s *letterStore) error{
		"count": func(ctx context.Context, s *letterStore) error { _, err := s.Count(ctx, dlq.Filter{}); return err },
		"page": func(ctx context.Context, s *letterStore) error {
			_, err := s.Page(ctx, dlq.Filter{}, "", 10)
			return err
		},
		"put":  func(ctx context.Context, s *letterStore) error { return s.Put(ctx, lettertwins.Letter(0)) },
		"take": func(ctx context.Context, s *letterStore) error { _, err := s.Take(ctx, "x", time.Second); return err },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			client := redis.NewClient(&redis.Options{Addr: l.Addr().String(), ReadTimeout: -1, MaxRetries: -1})
			c := newClients(client, 0)
			t.Cleanup(func() { require.NoError(t, c.close()); require.NoError(t, client.Close()) })
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- call(ctx, newLetterStore(c, "p")) }()
			conn, err := l.Accept()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, conn.Close()) })
			_, err = conn.Read(make([]byte, 1))
			require.NoError(t, err)
			cancel()
			select {
			case err := <-ended:
				require.ErrorIs(t, err, context.Canceled)
			case <-time.After(10 * time.Second):
				t.Fatal("it has not ended")
			}
		})
	}
}
