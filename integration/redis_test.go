package integration_test

import (
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

func TestRedisRefusesWhatItCannotWorkWith(t *testing.T) {
	for name, client := range map[string]redis.UniversalClient{
		"nil": nil, "typed nil": (*redis.Client)(nil), "cluster": redis.NewClusterClient(&redis.ClusterOptions{}), "ring": redis.NewRing(&redis.RingOptions{}),
	} {
		_, err := redisbus.New(client, redisbus.Options{Prefix: "a{b}", Lease: time.Millisecond, Retain: -1, Sync: redisbus.Sync{Replicas: -1, Timeout: -1}})
		require.ErrorIs(t, err, eventbus.ErrInvalid, name)
		for _, field := range []string{"client", "Prefix", "Lease", "Retain", "Sync.Replicas", "Sync.Timeout"} {
			require.ErrorContains(t, err, field, name)
		}
		if c, ok := client.(interface{ Close() error }); ok && name != "typed nil" {
			require.NoError(t, c.Close())
		}
	}
}

func TestRedisSetupErrorsAreTyped(t *testing.T) {
	r, b := alone(t, broker.Options{})
	for _, rule := range [][]any{
		{"ACL", "SETUSER", "narrow", "on", ">geheim", "~*", "+@all", "-xgroup"},
		{"ACL", "SETUSER", "blind", "on", ">geheim", "~other:*", "+@all"},
	} {
		require.NoError(t, r.raw.Do(t.Context(), rule...).Err())
	}
	try := func(user, password string) error {
		c := redis.NewClient(&redis.Options{Addr: b.Addr, Username: user, Password: password})
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		_, err := r.bus(c, redisbus.Options{}).Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "geheim")
		return err
	}
	require.ErrorIs(t, try("narrow", "geheimer"), redisbus.ErrCredentials)
	err := try("narrow", "geheim")
	require.ErrorIs(t, err, redisbus.ErrPermission)
	require.ErrorContains(t, err, "xgroup")
	require.ErrorIs(t, try("blind", "geheim"), redisbus.ErrPermission)

	require.NoError(t, r.raw.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	require.ErrorIs(t, try("", ""), redisbus.ErrReadOnly)
}

func TestRedisWithoutADiskIsToldOf(t *testing.T) {
	r, b := alone(t, broker.Options{Args: []string{"--appendonly", "no"}})
	told := make(chan error, 100)
	bus := r.bus(r.raw, redisbus.Options{Options: eventbus.Options{Observer: reconnections(told)}})
	r.running(bus, eventbus.Subscriber{Handler: &handled{}})
	require.Contains(t, r.log.String(), "keeps nothing on disk")
	b.Kill()
	b.Start()
	awaitReconnection(t, told, redisbus.ErrVanished)
	stats, err := bus.Stats(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, stats.Subscribers[0].Reconnections, uint64(2))
}

func TestRedisSyncNeedsAServerThatCan(t *testing.T) {
	for o, says := range map[*broker.Options]string{
		{Args: []string{"--appendonly", "no"}}: "Sync.Disk: needs a server with appendonly yes",
		{Image: broker.OldestRedis}:            "Sync.Disk: needs WAITAOF",
	} {
		r, _ := alone(t, *o)
		err := r.bus(r.raw, redisbus.Options{Sync: redisbus.Sync{Disk: true}}).Start(t.Context())
		require.ErrorIs(t, err, eventbus.ErrInvalid)
		require.ErrorContains(t, err, says)
	}
}

func TestRedisIsAway(t *testing.T) {
	r := shared(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	bus := r.bus(c, redisbus.Options{Options: eventbus.Options{PublishTimeout: 300 * time.Millisecond}})
	began := time.Now()
	_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: &handled{}})
	require.ErrorContains(t, err, addr)
	require.ErrorContains(t, bus.Start(t.Context()), addr)
	err = bus.Publish(t.Context(), anOrder("1"))
	require.ErrorIs(t, err, eventbus.ErrRefused, "nothing can have been stored")
	require.NotErrorIs(t, err, eventbus.ErrUnknown)
	require.Less(t, time.Since(began), 20*time.Second)
}

func TestRedisWrongTypeOfAKey(t *testing.T) {
	r := shared(t)
	require.NoError(t, r.raw.Set(t.Context(), r.stream(), "mine", 0).Err())
	bus := r.bus(r.raw, redisbus.Options{})
	_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})
	require.ErrorIs(t, err, redisbus.ErrWrongType)
	require.ErrorContains(t, err, r.stream())
	err = bus.Publish(t.Context(), anOrder("1"))
	require.ErrorIs(t, err, redisbus.ErrWrongType)
	require.ErrorIs(t, err, eventbus.ErrRefused)
	require.Equal(t, "mine", r.raw.Get(t.Context(), r.stream()).Val())
}
