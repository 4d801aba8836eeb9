package engine

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// many are n deliveries, each of an aggregate of its own.
func many(from, n int) []*Delivery {
	var ds []*Delivery
	for i := range n {
		ds = append(ds, deliveries(fmt.Sprint("k", from+i, ":", from+i))...)
	}
	return ds
}

func TestTheWindowBoundsWhatIsReceived(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 10}}, func(r *rig) {
		gate, open := r.gate()
		_, source := r.on(func(context.Context, eventbus.DomainEvent) error { <-gate; return nil })
		source.feed(many(0, 25)...)
		full := time.Now()
		pass(10 * time.Second)
		require.Equal(r, 10, r.stats().InFlight)
		require.Equal(r, 15, source.left())
		require.Equal(r, full, r.stats().WindowFullSince)
		require.NoError(r, r.Health(r.Context()))
		pass(time.Second)
		require.ErrorContains(r, r.Health(r.Context()), "default.mailer: its window of 10 deliveries has been full for 11s")
		open()
		synctest.Wait()
		require.Len(r, source.acked(), 25, "receiving goes on")
		require.NoError(r, r.Health(r.Context()))
		require.Zero(r, r.stats().WindowFullSince)
		for _, n := range source.asked {
			require.LessOrEqual(r, n, 10)
		}
	})
}

// The window is each source's own.
func TestAFullWindowHoldsUpNoOtherSource(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 2}}, func(r *rig) {
		_, source := r.on(failing(newJournal(), eventbus.RetryAfter(errBoom, time.Minute), map[string]int{"0": 1, "1": 1}))
		other := r.member("mailer").open()
		source.feed(many(0, 3)...)
		pass(time.Second)
		require.Equal(r, 1, source.left())
		other.feed(many(10, 20)...)
		synctest.Wait()
		require.Len(r, other.acked(), 20)
		pass(2 * time.Minute)
		require.Len(r, source.acked(), 3)
	})
}

func TestProgressIsHealthyHoweverSlow(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 40}}, func(r *rig) {
		_, source := r.join(eventbus.Subscriber{Concurrency: 1, Handler: slow(newJournal(), func(eventbus.DomainEvent) time.Duration {
			return 4 * time.Second
		})})
		source.feed(many(0, 100)...)
		for source.left() > 0 {
			pass(time.Second)
			require.NoError(r, r.Health(r.Context()))
		}
	})
}

func TestASpanPausesTheSource(t *testing.T) {
	virtual(t, settings{traits: Traits{Span: 5}}, func(r *rig) {
		_, source := r.on(failing(newJournal(), eventbus.RetryAfter(errBoom, time.Minute), map[string]int{"1": 1}))
		source.feed(many(1, 22)...)
		synctest.Wait()
		require.Equal(r, []uint64{2, 3, 4, 5, 6}, source.acked(), "five behind the one that waits")
		require.Equal(r, 1, r.stats().InFlight)
		require.NotZero(r, r.stats().WindowFullSince)
		pass(11 * time.Second)
		require.ErrorContains(r, r.Health(r.Context()), "full for 11s")
		pass(50 * time.Second)
		require.Len(r, source.acked(), 22)
		require.NoError(r, r.Health(r.Context()))
		require.Zero(r, r.stats().WindowFullSince)
	})
}

// While there is other work, places are filled many at a time.
func TestDeliveriesComeInBatches(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 100}}, func(r *rig) {
		_, source := r.join(eventbus.Subscriber{Concurrency: 1, Handler: slow(newJournal(), same1s)})
		source.feed(many(0, 500)...)
		pass(time.Hour)
		require.Len(r, source.acked(), 500)
		require.LessOrEqual(r, len(source.asked), 25, "%v", source.asked)
	})
}

func TestSinglePlacesAreFilledOnceNothingElseIsReady(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 100}}, func(r *rig) {
		times := map[string]int{}
		for i := range 90 {
			times[fmt.Sprint(i)] = 1
		}
		_, source := r.on(failing(newJournal(), eventbus.RetryAfter(errBoom, 2*time.Minute), times))
		source.feed(many(0, 90)...)
		pass(time.Second)
		source.feed(many(90, 50)...)
		synctest.Wait()
		require.Len(r, source.acked(), 50, "ten places are enough to go on")
		require.Equal(r, 90, r.stats().InFlight)
	})
}

// A free slot is enough for one more delivery, however long the others take.
func TestSinglePlacesAreFilledWhileOthersRun(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 8}}, func(r *rig) {
		sub, source := r.join(eventbus.Subscriber{Concurrency: 2, Handler: eventbus.HandlerFunc(
			func(_ context.Context, e eventbus.DomainEvent) error {
				switch {
				case e.ID == "long":
					rest(20 * time.Second)
				case e.AggregateID[0] == 'k':
					return eventbus.RetryAfter(errBoom, time.Minute)
				}
				return nil
			})})
		source.feed(many(0, 6)...)
		synctest.Wait()
		sub.Pause()
		source.feed(deliveries("x:long")...)
		synctest.Wait()
		source.feed(deliveries("y:quick")...)
		sub.Resume()
		pass(time.Second)
		require.Equal(r, []uint64{8}, source.acked())
	})
}

// What was ready and went away with its source keeps no other source waiting.
func TestLanesOfALostSourceStarveNobody(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 8}}, func(r *rig) {
		later := eventbus.RetryAfter(errBoom, 2*time.Minute)
		_, lost := r.join(eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(
			func(ctx context.Context, e eventbus.DomainEvent) error {
				switch {
				case e.ID == "running":
					<-ctx.Done()
					return ctx.Err()
				case e.AggregateID[0] == 'k' && e.ID != "99":
					return later
				}
				return nil
			})})
		source := r.member("mailer").open()
		source.feed(many(0, 6)...)
		synctest.Wait()
		lost.feed(deliveries("x:running", "y:ready")...)
		synctest.Wait()
		source.feed(deliveries("k0:behind")...)
		synctest.Wait()
		lost.end()
		source.feed(many(99, 1)...)
		pass(10 * time.Second)
		require.Equal(r, []uint64{8}, source.acked())
	})
}
