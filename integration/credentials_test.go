package integration_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

const password = "geheim"

// TestRedisCredentialsUnderLoad that are revoked, or changed, while the bus works, and come
// back: it is said at once and everywhere, without the password; the server is not beset; and
// the bus goes on by itself.
func TestRedisCredentialsUnderLoad(t *testing.T) {
	for name, x := range map[string]struct{ revoke, restore string }{
		"Revoked": {"off", "on"},
		"Rotated": {"resetpass >anders", ">" + password},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := broker.Start(t, broker.Redis, broker.Options{})
			u := &redisUser{t, redis.NewClient(&redis.Options{Addr: b.Addr})}
			defer func() { require.NoError(t, u.admin.Close()) }()
			u.set("on >" + password + " ~* &* +@all")
			server := b.Server
			server.URL = "redis://shop:" + password + "@" + b.Addr + "/0"
			l := newLoad(t, server, loadOptions{lease: 30 * time.Second})
			l.serve()
			l.serve()
			to := l.connect()
			publish := func(from, until int) {
				for i := from; i < until; i++ {
					l.publishBatch(to, 0, i)
					l.lasts(l.options.pace)
				}
			}
			publish(0, 20)
			l.soon("the load is handled", l.handles)

			l.fault(func() { u.set(x.revoke) })
			u.surfaced(l)
			publish(20, 25)
			if x.revoke == "off" || !testing.Short() {
				u.notBeset(len(l.workers))
			}
			u.set(x.restore)
			l.healed()
			publish(25, 50)
			require.NoError(t, l.judge().Err())
			l.stop()
			for _, text := range append(u.outputs(l), l.log.String()) {
				require.NotContains(t, text, password)
			}
		})
	}
}

// redisUser is the user "shop" of a server.
type redisUser struct {
	*testing.T
	admin *redis.Client
}

// set changes the user, and ends all of its connections.
func (u *redisUser) set(rules string) {
	u.Helper()
	args := []any{"ACL", "SETUSER", "shop"}
	for _, rule := range strings.Fields(rules) {
		args = append(args, rule)
	}
	require.NoError(u, u.admin.Do(u.Context(), args...).Err())
	require.NoError(u, u.admin.Do(u.Context(), "CLIENT", "KILL", "USER", "shop").Err())
}

func (*redisUser) outputs(l *load) (texts []string) {
	for _, w := range l.workers {
		texts = append(texts, w.Output())
	}
	return texts
}

// surfaced: whoever publishes is told, whoever asks for the health is told, and each process
// that handles says so.
func (u *redisUser) surfaced(l *load) {
	u.Helper()
	const soon, often = 10 * time.Second, 10 * time.Millisecond
	require.Eventually(u, func() bool {
		err := l.bus.Publish(u.Context(), anOrder("refused"))
		require.NotContains(u, fmt.Sprint(err), password)
		return errors.Is(err, redisbus.ErrCredentials) && errors.Is(err, eventbus.ErrRefused) && !errors.Is(err, eventbus.ErrUnknown)
	}, soon, often)
	inspector, ok := l.bus.(eventbus.Inspector)
	require.True(u, ok)
	require.Eventually(u, func() bool {
		err := inspector.Health(u.Context())
		require.NotContains(u, fmt.Sprint(err), password)
		return errors.Is(err, redisbus.ErrCredentials)
	}, soon, often)
	require.Eventually(u, func() bool {
		for _, text := range u.outputs(l) {
			if !strings.Contains(text, redisbus.ErrCredentials.Error()) {
				return false
			}
		}
		return true
	}, soon, often)
}

// notBeset: while nobody publishes, each process tries less than once a second.
func (u *redisUser) notBeset(processes int) {
	u.Helper()
	<-time.After(7 * time.Second)  // until the waits are as long as they get
	const seconds, refusals = 5, 2 // of HELLO and of AUTH, for each attempt
	before := u.refused()
	<-time.After(seconds * time.Second)
	require.LessOrEqual(u, u.refused()-before, processes*seconds*refusals)
}

// refused counts the credentials that the server did not accept.
func (u *redisUser) refused() int {
	u.Helper()
	_, rest, ok := strings.Cut(u.admin.Info(u.Context(), "stats").Val(), "acl_access_denied_auth:")
	require.True(u, ok)
	number, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(number)
	require.NoError(u, err)
	return n
}

// TestRedisFollowsTheProviderOfCredentials: a password that is changed in both places stops nothing.
func TestRedisFollowsTheProviderOfCredentials(t *testing.T) {
	r, b := alone(t, broker.Options{})
	u := &redisUser{t, r.raw}
	u.set("on >" + password + " ~* &* +@all")
	var now atomic.Pointer[string]
	change := func(to string) { now.Store(&to) }
	change(password)
	c := redis.NewClient(&redis.Options{Addr: b.Addr, CredentialsProvider: func() (string, string) { return "shop", *now.Load() }})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	bus := r.bus(c, redisbus.Options{})
	got := &handled{}
	r.running(bus, eventbus.Subscriber{Handler: got})
	require.NoError(t, bus.Publish(t.Context(), anOrder("1")))
	require.Eventually(t, func() bool { return len(got.times()) == 1 }, 10*time.Second, time.Millisecond)
	change("anders")
	u.set("resetpass >anders")
	require.Eventually(t, func() bool { return bus.Publish(t.Context(), anOrder("2")) == nil }, time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return got.times()["2"] == 1 }, 5*time.Second, time.Millisecond)
	require.NotContains(t, r.log.String(), redisbus.ErrCredentials.Error())
}
