package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func succeed(context.Context, eventbus.DomainEvent) error { return nil }

func TestAnIdleBusAcksAtOnce(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(succeed)
		for i := range 3 {
			source.feed(deliveries(fmt.Sprint("a:", i))...)
			synctest.Wait()
			require.Equal(r, uint64(i+1), source.acks[i][0])
		}
		require.Len(r, source.acks, 3)
	})
}

func TestAcksCollectWhileOneIsUnderWay(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(succeed)
		source.ackTook[0] = time.Second
		acks := func() (all [][]uint64) {
			source.set(func(s *fakeSource) { all = slices.Clone(s.acks) })
			return all
		}
		source.feed(deliveries("a:0")...)
		synctest.Wait()
		for i := range 50 {
			source.feed(deliveries(fmt.Sprint("a:", i))...)
			pass(10 * time.Millisecond)
		}
		require.Equal(r, uint64(51), r.stats().Handled, "handlers do not wait for it")
		require.Len(r, acks(), 1)
		require.Equal(r, 51, r.stats().InFlight, "what is not acknowledged is under way")
		pass(time.Second)
		require.Len(r, acks(), 2)
		require.Len(r, acks()[1], 50)
	})
}

func TestAcksThatFailAreRepeated(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(succeed)
		source.ackErrs = []error{errBoom, errBoom, errBoom}
		source.feed(deliveries("a:1", "b:2")...)
		synctest.Wait()
		require.Empty(r, source.acked())
		source.feed(deliveries("a:3")...)
		pass(10 * time.Second)
		require.ElementsMatch(r, []uint64{1, 2, 3}, source.acked())
		require.ElementsMatch(r, []uint64{1, 2, 3}, source.acks[3])
		require.Equal(r, uint64(3), source.acks[3][2], "what failed goes first")
		require.Contains(r, r.log.String(), `msg="eventbus: cannot acknowledge" error=boom`)
		told := saw(r.seen, &r.seen.reconnected)
		require.Len(r, told, 1, "by no read was it noticed")
		require.Equal(r, 3, told[0].Tries)
		require.ErrorIs(r, told[0].Err, errBoom)
		require.Positive(r, told[0].Down)
	})
}

func TestLateAcksAreDropped(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(succeed)
		source.ackErrs = []error{fmt.Errorf("generation 7: %w", ErrGone)}
		source.feed(deliveries("a:1")...)
		pass(time.Minute)
		require.Len(r, source.acks, 1)
		require.Empty(r, r.log.String())
		source.feed(deliveries("a:2")...)
		pass(time.Minute)
		require.Equal(r, []uint64{2}, source.acked())
	})
}

// Neither the backend nor the log is waited for with the lock of the subscription:
// both may ask the bus.
func TestNothingIsAskedUnderTheLock(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		sub, source := r.on(failing(newJournal(), errBoom, map[string]int{"2": 1}))
		var calls atomic.Int32
		free := func() {
			calls.Add(1)
			for range 10_000 { // others hold it for a moment
				if sub.mu.TryLock() {
					sub.mu.Unlock()
					return
				}
				runtime.Gosched()
			}
			r.Errorf("the lock is held")
		}
		r.ledger.during, r.log.during = free, free
		source.ackErrs = []error{errBoom}
		source.keepErr = errBoom
		source.feed(again(deliveries("a:1", "b:2")...)...)
		pass(time.Minute)
		source.fail(errBoom)
		source.end()
		pass(time.Minute)
		require.GreaterOrEqual(r, int(calls.Load()), 5)
	})
}
