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

func TestSuspendPausesTheWholeSubscriberAndCountsNoAttempt(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		suspend := eventbus.Suspend(errBoom, 30*time.Second)
		fail := failing(j, suspend, map[string]int{"1": 5})
		_, source := r.join(eventbus.Subscriber{Concurrency: 1, Handler: eventbus.HandlerFunc(
			func(ctx context.Context, e eventbus.DomainEvent) error {
				d, _ := eventbus.DeliveryOf(ctx)
				require.Equal(r, 1, d.Attempt)
				return fail(ctx, e)
			})})
		source.feed(deliveries("a:1", "b:2")...)
		source.feed(deliveries("a:3")...)
		pass(10 * time.Second)
		source.feed(deliveries("c:4")...)
		pass(time.Hour)
		require.Equal(r, []string{"0s 1", "30s 1", "1m0s 1", "1m30s 1", "2m0s 1", "2m30s 1"}, j.all()[:6])
		require.ElementsMatch(r, []string{"2m30s 2", "2m30s 3", "2m30s 4"}, j.all()[6:], "five times, though three attempts are the most")
		require.Empty(r, r.buried())
		st := r.stats()
		require.Equal(r, []uint64{4, 0, 5, 4}, []uint64{st.Attempts, st.Failed, st.Retried, st.Handled})
		for _, x := range saw(r.seen, &r.seen.retried) {
			require.Zero(r, x.Attempt)
			require.Equal(r, 30*time.Second, x.Delay)
			require.ErrorIs(r, x.Err, errBoom)
		}
		require.Len(r, saw(r.seen, &r.seen.handled), 4)
	})
}

func TestSuspendIsCutToHold(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Hold: 10 * time.Second}}, func(r *rig) {
		j := newJournal()
		_, source := r.on(failing(j, eventbus.Suspend(errBoom, time.Hour), map[string]int{"1": 1}))
		source.feed(deliveries("a:1")...)
		pass(time.Minute)
		require.Equal(r, []string{"0s 1", "10s 1"}, j.all())
		x := saw(r.seen, &r.seen.retried)[0]
		require.Equal(r, "10s true", fmt.Sprint(x.Delay, " ", x.Clamped))
	})
}

func TestTheLongestSuspensionHolds(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		long, short := eventbus.Suspend(errBoom, time.Minute), eventbus.Suspend(errBoom, time.Second)
		all := map[string]eventbus.HandlerFunc{
			"1": failing(j, long, map[string]int{"1": 1}), "2": failing(j, short, map[string]int{"2": 1}),
		}
		_, source := r.on(func(ctx context.Context, e eventbus.DomainEvent) error {
			rest(map[string]time.Duration{"1": 500 * time.Millisecond, "2": time.Second}[e.ID])
			return all[e.ID](ctx, e)
		})
		source.feed(deliveries("a:1", "b:2")...)
		pass(10 * time.Minute)
		require.Equal(r, []string{"500ms 1", "1s 2", "1m1s 1", "1m1.5s 2"}, j.all())
	})
}

func TestASuspendedSubscriberStopsAtOnce(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		sub, source := r.on(failing(j, eventbus.Suspend(errBoom, time.Minute), map[string]int{"1": 9}))
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		require.NoError(r, sub.Stop(r.Context()))
		require.Less(r, time.Since(j.began), time.Second)
		pass(time.Hour)
		require.Equal(r, []string{"0s 1"}, j.all())
		require.Empty(r, source.acked())
	})
}

func TestPauseStartsNoHandlerUntilResume(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		sub, source := r.join(eventbus.Subscriber{Concurrency: 2, Handler: slow(j, same1s)})
		source.feed(deliveries("a:1", "b:2", "a:3", "c:4")...)
		pass(500 * time.Millisecond)
		sub.Pause()
		pass(time.Minute)
		require.ElementsMatch(r, []string{"0s 1 begins", "1s 1 ends", "0s 2 begins", "1s 2 ends"}, j.all(), "those that run go on")
		require.Equal(r, []uint64{1, 2}, source.acked())
		source.feed(deliveries("d:5")...)
		pass(time.Minute)
		require.Len(r, j.all(), 4)
		sub.Pause()
		sub.Resume()
		synctest.Wait()
		require.Equal(r, 2, r.stats().Running, "all slots are used again")
		pass(time.Minute)
		require.Equal(r, []uint64{1, 2, 3, 4, 5}, source.acked())
		sub.Resume()
	})
}

func TestPauseOutlastsASuspension(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		sub, source := r.on(failing(j, eventbus.Suspend(errBoom, 10*time.Second), map[string]int{"1": 1}))
		source.feed(deliveries("a:1")...)
		pass(time.Second)
		sub.Pause()
		sub.Resume()
		pass(time.Second)
		require.Len(r, j.all(), 1, "Resume does not end a suspension")
		sub.Pause()
		pass(time.Minute)
		require.Len(r, j.all(), 1)
		sub.Resume()
		synctest.Wait()
		require.Len(r, j.all(), 2)
	})
}
