package memory

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// A handler that publishes to its own full queue does not wait for those who wait
// for room: that could be itself that they wait for.
func TestAHandlerPublishesPastWhoWaitsForRoom(t *testing.T) {
	for name, encode := range map[string]bool{"by reference": false, "encoded": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus, err := New(Options{Capacity: 1, Encode: encode})
				require.NoError(t, err)
				var took []time.Duration
				handled := make(chan string, 3)
				follow := func(ctx context.Context, e eventbus.DomainEvent) error {
					if e.AggregateID == "o-1" {
						synctest.Wait() // the other publisher waits by now
						began := time.Now()
						require.NoError(t, bus.Publish(ctx, eventbus.Named("order.followed", "o-2", 1)))
						took = append(took, time.Since(began))
					}
					handled <- e.AggregateID
					return nil
				}
				_, err = bus.Subscribe(t.Context(), eventbus.Subscriber{
					Name: "follower", Events: []string{"order.*"}, Concurrency: 1, Handler: eventbus.HandlerFunc(follow),
				})
				require.NoError(t, err)
				require.NoError(t, bus.Publish(t.Context(), eventbus.Named("order.created", "o-1", 1)))
				waiting := make(chan error, 1)
				go func() { waiting <- bus.Publish(t.Context(), eventbus.Named("order.created", "o-3", 1)) }()
				synctest.Wait()
				require.NoError(t, bus.Start(t.Context()))
				require.NoError(t, <-waiting)
				for range 3 {
					<-handled
				}
				require.Equal(t, []time.Duration{0}, took)
				require.NoError(t, bus.Shutdown(t.Context()))
			})
		})
	}
}
