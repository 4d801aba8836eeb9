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
	"github.com/seed-28af575d/eventbus/kafkabus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

const password = "geheim"

// TestCredentialsUnderLoad that are revoked, or changed, while the bus works, and come back: it
// is said at once and everywhere, without the password; the server is not beset; and the bus
// goes on by itself.
func TestCredentialsUnderLoad(t *testing.T) {
	onKinds(t, broker.Kinds(), func(t *testing.T, k broker.Kind) {
		for name, change := range map[string]func(u user){
			"Revoked": user.revoke,
			"Rotated": func(u user) { u.setPassword("anders") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				u := newUser(t, k)
				server := u.server()
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

				l.fault(func() { change(u) })
				u.surfaced(l)
				publish(20, 25)
				if name == "Revoked" || !testing.Short() {
					u.notBeset(len(l.workers))
				}
				u.restore()
				l.healed()
				again := l.spans[len(l.spans)-1]
				before := l.stored.Load()
				next := 25
				for ; l.stored.Load() == before; next++ { // it takes a moment
					publish(next, next+1)
					require.False(t, time.Now().After(again.to), "nothing can be published again")
				}
				publish(next, next+25)
				require.NoError(t, l.judge().Err())
				l.stop()
				for _, text := range append(outputs(l), l.log.String()) {
					require.NotContains(t, text, password)
				}
			})
		}
	})
}

func scheme(k broker.Kind) string {
	return map[broker.Kind]string{broker.Redis: "redis", broker.RabbitMQ: "amqp", broker.Kafka: "kafka"}[k]
}

// user is the user "shop" of a server.
type user struct {
	*testing.T
	at *broker.Broker
}

// newUser adds it to a server of its own.
func newUser(t *testing.T, k broker.Kind) user {
	t.Helper()
	var o broker.Options
	if k == broker.Kafka {
		o.Env = demandingKafka
	}
	u := user{t, broker.Start(t, k, o)}
	u.add()
	return u
}

// server is where the user connects to. A Kafka does not end the connections of a user: they go through the
// proxy.
func (u user) server() broker.Server {
	s := u.at.Server
	if u.kafka() {
		s = u.at.Proxied()
	}
	_, rest, _ := strings.Cut(s.URL, s.Addr)
	s.URL = scheme(s.Kind) + "://shop:" + password + "@" + s.Addr + rest
	return s
}

func (u user) redis() bool { return u.at.Kind == broker.Redis }

func (u user) kafka() bool { return u.at.Kind == broker.Kafka }

// scram is the user of a Kafka.
func (u user) scram() scramUser { return scramUser{u.T, u.at.Addr} }

func (u user) add() {
	u.Helper()
	if u.kafka() {
		u.scram().set(password)
		return
	}
	if u.redis() {
		u.set("on", ">"+password, "~*", "&*", "+@all")
		return
	}
	u.at.Exec("rabbitmqctl", "add_user", "shop", password)
	u.at.Exec("rabbitmqctl", "set_permissions", "shop", ".*", ".*", ".*")
}

// set changes the user of a Redis, and ends all of its connections.
func (u user) set(rules ...string) {
	u.Helper()
	u.at.Exec(append([]string{"redis-cli", "ACL", "SETUSER", "shop"}, rules...)...)
	u.at.Exec("redis-cli", "CLIENT", "KILL", "USER", "shop")
}

func (u user) revoke() {
	u.Helper()
	if u.kafka() {
		u.scram().drop()
		u.disconnect()
		return
	}
	if u.redis() {
		u.set("off")
		return
	}
	u.at.Exec("rabbitmqctl", "clear_password", "shop")
	u.disconnect()
}

func (u user) setPassword(to string) {
	u.Helper()
	if u.kafka() {
		u.scram().set(to)
		u.disconnect()
		return
	}
	if u.redis() {
		u.set("resetpass", ">"+to)
		return
	}
	u.at.Exec("rabbitmqctl", "change_password", "shop", to)
	u.disconnect()
}

func (u user) disconnect() {
	u.Helper()
	if u.kafka() {
		u.at.Proxy().Reset()
		return
	}
	u.at.Exec("rabbitmqctl", "close_all_user_connections", "shop", "by a test")
}

func (u user) restore() {
	u.Helper()
	if u.kafka() {
		u.scram().set(password)
		return
	}
	if u.redis() {
		u.set("on", "resetpass", ">"+password)
		return
	}
	u.at.Exec("rabbitmqctl", "change_password", "shop", password)
}

func outputs(l *load) (texts []string) {
	for _, w := range l.workers {
		texts = append(texts, w.Output())
	}
	return texts
}

// surfaced: whoever publishes is told, whoever asks for the health is told, and each process
// that handles says so.
func (u user) surfaced(l *load) {
	u.Helper()
	refused := map[broker.Kind]error{
		broker.Redis: redisbus.ErrCredentials, broker.RabbitMQ: rabbitbus.ErrCredentials, broker.Kafka: kafkabus.ErrCredentials,
	}[u.at.Kind]
	const soon, often = 10 * time.Second, 10 * time.Millisecond
	require.Eventually(u, func() bool {
		err := l.bus.Publish(u.Context(), anOrder("refused"))
		require.NotContains(u, fmt.Sprint(err), password)
		return errors.Is(err, refused) && errors.Is(err, eventbus.ErrRefused) && !errors.Is(err, eventbus.ErrUnknown)
	}, soon, often)
	inspector, ok := l.bus.(eventbus.Inspector)
	require.True(u, ok)
	require.Eventually(u, func() bool {
		err := inspector.Health(u.Context())
		require.NotContains(u, fmt.Sprint(err), password)
		return errors.Is(err, refused)
	}, soon, often)
	require.Eventually(u, func() bool {
		for _, text := range outputs(l) {
			if !strings.Contains(text, refused.Error()) {
				return false
			}
		}
		return true
	}, soon, often)
}

// notBeset: while nobody publishes, each process tries less than once a second. A try is one of
// each of its connections, and Redis refuses two commands of it, HELLO and AUTH.
func (u user) notBeset(processes int) {
	u.Helper()
	<-time.After(7 * time.Second) // until the waits are as long as they get
	const seconds = 5
	refusals := 2
	if u.kafka() {
		refusals = 1
	}
	before := u.refused()
	<-time.After(seconds * time.Second)
	require.LessOrEqual(u, u.refused()-before, processes*seconds*refusals)
	require.Positive(u, u.refused()-before, "nobody has tried, or nobody counts")
}

// refused counts the credentials that the server did not accept.
func (u user) refused() int {
	u.Helper()
	if u.kafka() {
		return u.at.Logged("Failed authentication with")
	}
	var text, before string
	if u.redis() {
		text = u.at.Exec("redis-cli", "INFO", "stats")
		before = "acl_access_denied_auth:"
	} else {
		text = u.at.Exec("rabbitmqctl", "eval", `{_, _, _, N} = lists:keyfind(amqp091, 1, ets:tab2list(auth_attempt_metrics)), io:format("refused:~b~n", [N]).`)
		before = "refused:"
	}
	_, rest, ok := strings.Cut(text, before)
	require.True(u, ok, text)
	number, _, _ := strings.Cut(strings.ReplaceAll(rest, "\r", ""), "\n")
	n, err := strconv.Atoi(number)
	require.NoError(u, err)
	return n
}

// TestRedisFollowsTheProviderOfCredentials: a password that is changed in both places stops nothing.
func TestRedisFollowsTheProviderOfCredentials(t *testing.T) {
	r, b := alone(t, broker.Options{})
	u := user{t, b}
	u.add()
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
	u.at.Exec("redis-cli", "ACL", "SETUSER", "shop", ">anders") // both are accepted for a while, as a rotation goes
	change("anders")
	u.setPassword("anders")
	require.Eventually(t, func() bool { return bus.Publish(t.Context(), anOrder("2")) == nil }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return got.times()["2"] == 1 }, 10*time.Second, time.Millisecond)
	require.NotContains(t, r.log.String(), redisbus.ErrCredentials.Error())
}
