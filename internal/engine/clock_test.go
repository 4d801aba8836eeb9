package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// wallClock tells the time of day alone, which can be set; its timers go on.
type wallClock struct{ offset atomic.Int64 }

func (c *wallClock) Now() time.Time { return time.Now().Round(0).Add(time.Duration(c.offset.Load())) }

func (c *wallClock) AfterFunc(d time.Duration, f func()) eventbus.Timer { return time.AfterFunc(d, f) }

// A clock that is set makes no attempt time out early, and none late.
func TestTimeoutsWhenTheClockIsSet(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			clock := &wallClock{}
			virtual(t, settings{options: eventbus.Options{Clock: clock}}, func(r *rig) {
				j := newJournal()
				gate, _ := r.gate()
				_, source := r.join(eventbus.Subscriber{Timeout: 10 * time.Second, Retry: eventbus.RetryPolicy{Attempts: 1},
					Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
						<-ctx.Done()
						j.add("%s: %v", e.ID, context.Cause(ctx))
						if e.ID == "stuck" {
							<-gate
						}
						return nil
					})})
				source.feed(deliveries("a:1", "b:stuck")...)
				pass(4 * time.Second)
				source.feed(deliveries("c:2")...)
				pass(time.Second)
				clock.offset.Add(int64(step))
				source.feed(deliveries("d:3")...)
				pass(time.Second)
				source.feed(deliveries("e:4")...)
				pass(8 * time.Second)
				require.Zero(r, r.stats().Stuck)
				synctest.Wait()
				pass(time.Second)
				require.Equal(r, uint64(1), r.stats().Stuck)
				pass(10 * time.Second)
				require.ElementsMatch(r, []string{
					"10s 1: handler timed out", "10s stuck: handler timed out", "14s 2: handler timed out",
					"15s 3: handler timed out", "16s 4: handler timed out",
				}, j.all())
			})
		})
	}
}

// Events keep IDs of their own whatever the clock tells.
func TestIDsWhenTheClockIsSet(t *testing.T) {
	clock := &wallClock{}
	virtual(t, settings{options: eventbus.Options{Clock: clock}}, func(r *rig) {
		ids := map[string]bool{}
		for _, step := range []time.Duration{0, time.Hour, -time.Hour, -time.Hour, time.Hour} {
			clock.offset.Add(int64(step))
			for range 20 {
				require.NoError(r, r.Publish(r.Context(), eventbus.NewRaw("order.created", "a", "application/json", []byte("{}")).WithID("")))
			}
		}
		for _, b := range r.fake.sent() {
			for _, m := range b.ms {
				e, err := wire.Decode(m.Header, m.Body)
				require.NoError(r, err)
				ids[e.ID] = true
			}
		}
		require.Len(r, ids, 100)
	})
}
