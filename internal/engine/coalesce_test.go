package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// sizes are how many messages each Send had.
func (f *fake) sizes() []int {
	var all []int
	for _, b := range f.sent() {
		all = append(all, len(b.ms))
	}
	return all
}

// orders are n events of one aggregate, with IDs from the given one on.
func orders(key string, from, n int) []eventbus.DomainEvent {
	var all []eventbus.DomainEvent
	for i := range n {
		all = append(all, order(key, fmt.Sprint(from+i)))
	}
	return all
}

func TestALoneCallerSendsItself(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		before := runtime.NumGoroutine()
		r.fake.otherwise = func(context.Context, []Message) []error {
			require.LessOrEqual(r, runtime.NumGoroutine(), before, "and needs no other goroutine")
			return nil
		}
		for range 3 {
			require.NoError(r, r.Publish(r.Context(), order("a", "1"), order("b", "2")))
		}
		for _, b := range r.fake.sent() {
			require.Equal(r, goroutine(), b.goroutine)
		}
	})
}

func TestWhatComesDuringASendIsOneBatch(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.always(takes(time.Second, stored))
		var all []*publishing
		for i := range 100 {
			all = append(all, r.publish(r.Context(), order(fmt.Sprint("k", i%7), fmt.Sprint(i))))
		}
		pass(time.Second)
		require.True(r, all[0].done() && !all[1].done())
		all = append(all, r.publish(r.Context(), orders("a", 100, 3)...))
		pass(time.Second)
		require.True(r, all[1].done() && all[99].done() && !all[100].done())
		pass(time.Second)
		for _, p := range all {
			require.True(r, p.done())
			require.NoError(r, p.err)
		}
		require.Equal(r, []int{1, 99, 3}, r.fake.sizes())
		require.Equal(r, 1, r.fake.most)
		var ids []string
		for _, b := range r.fake.sent() {
			for _, m := range b.ms {
				ids = append(ids, m.Header[1].Value)
			}
		}
		for i, id := range ids {
			require.Equal(r, fmt.Sprint(i), id, "in the order in which they came")
		}
	})
}

func TestABatchIsBounded(t *testing.T) {
	virtual(t, settings{traits: Traits{Batch: 10}}, func(r *rig) {
		r.fake.always(takes(time.Second, stored))
		r.publish(r.Context(), order("a", "lone"))
		for i, n := range []int{4, 6, 1, 9, 5, 6, 25, 1} {
			r.publish(r.Context(), orders("a", 100*i, n)...)
		}
		pass(time.Minute)
		require.Equal(r, []int{1, 10, 10, 5, 6, 10, 10, 5, 1}, r.fake.sizes(), "and no call is split that fits one")
	})
}

func TestShardsSendInParallelAndEachInOrder(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.shards = 4
		r.fake.always(takes(time.Second, stored))
		p := r.publish(r.Context(), order("a", "1"), order("b", "2"), order("c", "3"), order("d", "4"), order("a", "5"))
		pass(time.Second)
		require.True(r, p.done())
		require.NoError(r, p.err)
		require.Equal(r, 4, r.fake.most)
		require.ElementsMatch(r, [][]string{{"a", "a"}, {"b"}, {"c"}, {"d"}}, r.fake.keys())

		var wait sync.WaitGroup
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			wait.Go(func() {
				for i := range 50 {
					require.NoError(r, r.Publish(r.Context(), order(key, fmt.Sprint(key, i))))
				}
			})
		}
		wait.Wait()
		next := map[string]int{}
		for _, b := range r.fake.sent()[4:] {
			for _, m := range b.ms {
				require.Equal(r, fmt.Sprint(m.Key, next[m.Key]), m.Header[1].Value)
				next[m.Key]++
			}
		}
		require.Len(r, next, 6)
	})
}

func TestAnIdleSenderHasNoGoroutine(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.always(takes(time.Second, stored))
		for i := range 10 {
			r.publish(r.Context(), order("a", fmt.Sprint(i)))
		}
		require.Zero(r, goroutines("flush"))
		pass(1500 * time.Millisecond)
		require.Equal(r, 1, goroutines("flush"))
		pass(time.Minute)
		require.Zero(r, goroutines("flush"))
	})
}

func TestTheRoomOfAShardIsBounded(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, open := r.gate()
		r.fake.otherwise = func(context.Context, []Message) []error { <-gate; return nil }
		lone := r.publish(r.Context(), order("a", "lone"))
		full := r.publish(r.Context(), orders("a", 0, shardRoom)...)
		refused, waits := r.publish(r.within(time.Second), order("a", "x")), r.publish(r.Context(), order("a", "y"))
		pass(2 * time.Second)
		require.False(r, lone.done() || full.done() || waits.done())
		require.ErrorIs(r, refused.err, eventbus.ErrFull)
		require.ErrorIs(r, refused.err, eventbus.ErrRefused)
		require.ErrorIs(r, refused.err, context.DeadlineExceeded)
		open()
		pass(time.Second)
		require.True(r, full.done() && waits.done())
		require.NoError(r, waits.err)
		require.Len(r, slices.Concat(r.fake.keys()...), 2+shardRoom)
	})
}

// Behind a Send that waits for room, which its event would make, a handler would
// wait for itself.
func TestAHandlerThatPublishesWaitsForNobody(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, open := r.gate()
		beyondGate, openBeyond := r.gate()
		_, source := r.on(func(ctx context.Context, e eventbus.DomainEvent) error {
			n := map[string]int{"1": 1, "2": shardRoom, "3": 3}[e.ID]
			return r.Publish(ctx, orders("a", 0, n)...)
		})
		r.fake.otherwise = func(_ context.Context, ms []Message) []error {
			if ms[0].Beyond {
				<-beyondGate
			} else {
				<-gate
			}
			return nil
		}
		waits := r.publish(r.Context(), order("a", "lone"))
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		source.feed(deliveries("b:2")...)
		synctest.Wait()
		source.feed(deliveries("c:3")...) // there is no room left, but it is a handler's
		synctest.Wait()
		openBeyond()
		pass(time.Second)
		require.Equal(r, []uint64{1, 2, 3}, source.acked())
		require.False(r, waits.done())
		st, err := r.Stats(r.Context())
		require.NoError(r, err)
		require.Equal(r, uint64(3), st.BeyondBound)
		open()
		pass(time.Second)
		require.NoError(r, waits.err)
	})
}
