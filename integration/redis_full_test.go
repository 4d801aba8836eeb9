package integration_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// TestRedisKnowsTheLivingWhenMemoryIsFull: or an operator could delete a group that is in use.
// When it has ended, also with something given back, it can be deleted at once.
func TestRedisKnowsTheLivingWhenMemoryIsFull(t *testing.T) {
	for _, image := range []string{"", broker.OldestRedis} {
		t.Run(cmp.Or(image, "newest"), func(t *testing.T) {
			t.Parallel()
			r, _ := alone(t, broker.Options{Image: image})
			running := make(chan struct{}, 10)
			bus := r.bus(r.raw, redisbus.Options{Consumer: "alive"})
			r.running(bus, eventbus.Subscriber{Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
				running <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			})})
			require.NoError(t, bus.Publish(t.Context(), anOrder("1"), anOrder("2")))
			<-running
			require.NoError(t, r.raw.ConfigSet(t.Context(), "maxmemory", "1mb").Err())
			require.ErrorContains(t, r.raw.Set(t.Context(), "own:x", "", 0).Err(), "OOM")

			tool := r.bus(r.raw, redisbus.Options{})
			for range 20 { // longer than a sign of life counts
				<-time.After(400 * time.Millisecond)
				g, err := tool.Group(t.Context(), "shop.mailer")
				require.NoError(t, err)
				require.Len(t, g.Members, 1)
				require.True(t, g.Members[0].Alive)
			}
			require.ErrorIs(t, tool.DeleteGroup(t.Context(), "shop.mailer"), eventbus.ErrInvalid)
			require.ErrorIs(t, tool.ResetGroup(t.Context(), "shop.mailer", eventbus.Beginning()), eventbus.ErrInvalid)

			ended, cancel := context.WithCancel(t.Context())
			cancel()
			require.Error(t, bus.Shutdown(ended))
			require.NoError(t, bus.Shutdown(t.Context()))
			g, err := tool.Group(t.Context(), "shop.mailer")
			require.NoError(t, err)
			require.Equal(t, 2, g.Pending, "it was given back")
			require.NoError(t, tool.DeleteGroup(t.Context(), "shop.mailer"))
		})
	}
}
