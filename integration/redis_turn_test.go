package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestRedisSubscribesInItsTime: also behind a Start that waits for a server that does not answer.
func TestRedisSubscribesInItsTime(t *testing.T) {
	r, b := alone(t, broker.Options{})
	o, err := redis.ParseURL(b.Proxied().URL)
	require.NoError(t, err)
	o.ReadTimeout = 8 * time.Second
	c := redis.NewClient(o)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	bus := r.bus(c, redisbus.Options{})
	b.Proxy().Freeze()
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan error, 1)
	go func() { started <- bus.Start(ctx) }()
	<-time.After(200 * time.Millisecond) // it has begun to ask
	soon, cancelSoon := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancelSoon()
	began := time.Now()
	_, err = bus.Subscribe(soon, eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 5*time.Second)
	cancel()
	require.Error(t, <-started)
	b.Proxy().Heal()
	_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: &handled{}})
	require.NoError(t, err, "nobody has kept the turn")
}
