package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// slow is a handler that rests for d and writes both ends down.
func slow(j *journal, d func(e eventbus.DomainEvent) time.Duration) eventbus.HandlerFunc {
	return func(_ context.Context, e eventbus.DomainEvent) error {
		j.add("%s begins", e.ID)
		rest(d(e))
		j.add("%s ends", e.ID)
		return nil
	}
}

func same1s(eventbus.DomainEvent) time.Duration { return time.Second }

func TestEventsOfAnAggregateAreHandledOneAfterAnother(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(slow(j, same1s))
		source.feed(deliveries("a:1", "a:2")...)
		source.feed(deliveries("a:3")...)
		pass(time.Minute)
		require.Equal(r, []string{"0s 1 begins", "1s 1 ends", "1s 2 begins", "2s 2 ends", "2s 3 begins", "3s 3 ends"}, j.all())
		require.Equal(r, []uint64{1, 2, 3}, source.acked())
	})
}

func TestOneAggregateIDOfTwoTopicsIsTwoLanes(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(slow(j, same1s))
		other := deliver(eventbus.NewRaw("user.created", "a", "", nil).WithID("2"))
		source.feed(deliveries("a:1")[0], other)
		pass(time.Minute)
		require.ElementsMatch(r, []string{"0s 1 begins", "1s 1 ends", "0s 2 begins", "1s 2 ends"}, j.all())
	})
}

func TestASlowAggregateDelaysNoOther(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.join(eventbus.Subscriber{Concurrency: 2, Handler: slow(j, func(e eventbus.DomainEvent) time.Duration {
			if e.AggregateID == "slow" {
				return 20 * time.Second
			}
			return time.Second
		})})
		source.feed(deliveries("slow:s1", "slow:s2", "a:1", "a:2", "b:3", "b:4")...)
		pass(4 * time.Second)
		require.Subset(r, j.all(), []string{"1s 1 ends", "4s 4 ends"})
		require.Equal(r, 2, r.stats().InFlight)
	})
}

func TestConcurrencyBoundsTheHandlers(t *testing.T) {
	for _, c := range []int{1, 3, 16} {
		virtual(t, settings{}, func(r *rig) {
			began := time.Now()
			_, source := r.join(eventbus.Subscriber{Concurrency: c, Handler: slow(newJournal(), same1s)})
			for i := range 48 {
				source.feed(deliveries(fmt.Sprint("k", i, ":", i))...)
			}
			pass(time.Millisecond)
			require.Equal(r, c, r.stats().Running)
			for len(source.acked()) < 48 {
				pass(100 * time.Millisecond)
				require.LessOrEqual(r, r.stats().Running, c)
			}
			require.InDelta(r, float64(48/c), time.Since(began).Seconds(), 0.2, "and all of them are used")
		})
	}
}

func TestEventsWithoutAnAggregateAreUnordered(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(slow(j, same1s))
		source.feed(deliveries(":1", ":2", ":3")...)
		pass(1500 * time.Millisecond)
		require.Equal(r, []uint64{1, 2, 3}, source.acked())
	})
}

func TestAnUnorderedSubscriberHasNoLanes(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.join(eventbus.Subscriber{Unordered: true, Handler: slow(newJournal(), same1s)})
		source.feed(deliveries("a:1", "a:2", "a:3")...)
		pass(1500 * time.Millisecond)
		require.Equal(r, []uint64{1, 2, 3}, source.acked())
	})
}

func TestAnIdleSubscriptionHasNoWorker(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(func(_ context.Context, e eventbus.DomainEvent) error {
			rest(time.Second)
			if e.ID == "3" {
				return errBoom
			}
			return nil
		})
		require.Zero(r, goroutines("work"))
		source.feed(deliveries("a:1", "b:2", "c:3", "c:4", "a:5")...)
		synctest.Wait()
		require.Equal(r, 3, goroutines("work"), "one worker for each lane")
		pass(4 * time.Second)
		require.Zero(r, goroutines("work"), "and none while a lane waits for a retry")
		require.Equal(r, 2, r.stats().InFlight)
		pass(time.Minute)
		require.Zero(r, goroutines("work"))
		require.Equal(r, []uint64{1, 2, 3, 4, 5}, source.acked())
		require.Equal(r, uint64(1), r.stats().Buried)
	})
}

// A worker that a burst has left over finds its way back to the lanes that come.
func TestLanesAreUsedAgain(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Window: 100}}, func(r *rig) {
		_, source := r.on(func(_ context.Context, e eventbus.DomainEvent) error {
			if e.AggregateID == "k7" && e.ID != "last" {
				return eventbus.Permanent(errors.New("no"))
			}
			return nil
		})
		const many = mostKept + 500 // more keys than are remembered
		for i := range many {
			source.feed(deliveries(fmt.Sprint("k", i, ":", i))...)
		}
		source.feed(deliveries("k7:last", "k0:again", fmt.Sprint("k", many-1, ":again"))...)
		pass(time.Second)
		require.Len(r, source.acked(), many+3)
		require.Equal(r, uint64(1), r.stats().Buried)
	})
}

// Topics come from publishers too: no more are remembered than lanes.
func TestTopicsAreForgotten(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		s, source := r.on(func(context.Context, eventbus.DomainEvent) error { return nil })
		for i := range mostKept + 500 {
			e := eventbus.NewRaw(fmt.Sprint("t", i, ".happened"), "k", "application/json", []byte(`{}`))
			source.feed(deliver(e))
		}
		pass(time.Second)
		require.Len(r, source.acked(), mostKept+500)
		s.mu.Lock()
		defer s.mu.Unlock()
		topics := len(s.topics.byName)
		require.Equal(r, mostKept, topics)
	})
}
