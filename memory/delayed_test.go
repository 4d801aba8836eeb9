package memory

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// later returns a message to the group that is due after d.
func later(key string, d time.Duration) engine.Message {
	m := message("order.created", key)
	m.To.Group, m.NotBefore = "shop.mailer", time.Now().Add(d)
	return m
}

// What is due is handed over at its time, not before, ties in the order of their
// arrival.
func TestDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{})
		s := join(t, in, "shop.mailer", "#")
		began := time.Now()
		send(t, in, later("3", 3*time.Second), later("1a", time.Second), later("2", 2*time.Second),
			later("0", 0), later("1b", time.Second), later("past", -time.Hour))
		for _, want := range []struct {
			keys []string
			at   time.Duration
		}{
			{[]string{"0", "past"}, 0},
			{[]string{"1a", "1b"}, time.Second},
			{[]string{"2"}, 2 * time.Second},
			{[]string{"3"}, 3 * time.Second},
		} {
			g, err := in.Gauge(t.Context())
			require.NoError(t, err)
			require.Equal(t, 6-int(s.unacked.turn), g.Waiting["shop.mailer"], "delayed events wait too")
			ds, err := s.Receive(t.Context(), 10)
			require.NoError(t, err)
			require.Equal(t, want.keys, keys(ds))
			require.Equal(t, want.at, time.Since(began))
			for _, d := range ds {
				require.False(t, d.NotBefore.After(time.Now()))
			}
		}
		require.Equal(t, 6, taken(s.queue))
	})
}

// An event published before the time has come is handed over before.
func TestDelayedHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{})
		s := join(t, in, "shop.mailer", "#")
		send(t, in, later("retry", time.Second))
		time.Sleep(time.Second / 2)
		send(t, in, orders("0")...)
		require.Equal(t, []string{"0"}, keys(receive(t, s, 10)))
		time.Sleep(time.Second)
		send(t, in, orders("1")...)
		require.Equal(t, []string{"retry", "1"}, keys(receive(t, s, 10)), "it became due first")
	})
}

// One that was handed over late and is given back stands where it stood.
func TestDelayedIsGivenBackInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{})
		s := join(t, in, "shop.mailer", "#")
		send(t, in, later("retry", time.Second))
		send(t, in, orders("0", "1")...)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"0", "1", "retry"}, keys(receive(t, s, 10)))
		require.NoError(t, s.Close(t.Context()))
		require.Equal(t, []string{"0", "1", "retry"}, keys(receive(t, join(t, in, "shop.mailer"), 10)))
	})
}

// Without a member no timer runs; the next member finds what has become due, and
// waits for the rest.
func TestDelayedWithoutMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &countingClock{}
		in := open(t, BrokerOptions{Clock: clock})
		m := joinMember(t, in, "shop.mailer", "#")
		send(t, in, later("2", 2*time.Second), later("1", time.Second), later("9", 9*time.Second))
		require.NoError(t, m.Close(t.Context()))
		require.Zero(t, clock.running)
		time.Sleep(5 * time.Second)
		s := join(t, in, "shop.mailer", "#")
		ds, err := s.Receive(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2"}, keys(ds))
		ds, err = s.Receive(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []string{"9"}, keys(ds))
		require.Equal(t, 9*time.Second, time.Since(clock.first))
		require.Equal(t, 1, clock.made, "one timer for all of them")
	})
}

// countingClock counts the timers of its only caller, which holds a lock.
type countingClock struct {
	first         time.Time
	made, running int
}

func (c *countingClock) Now() time.Time { return time.Now() }

func (c *countingClock) AfterFunc(d time.Duration, f func()) eventbus.Timer {
	c.first = time.Now()
	c.made++
	c.running++
	return &countedTimer{clock: c, timer: time.AfterFunc(d, f)}
}

type countedTimer struct {
	clock *countingClock
	timer *time.Timer
}

func (t *countedTimer) Stop() bool {
	t.clock.running--
	return t.timer.Stop()
}

func (t *countedTimer) Reset(d time.Duration) bool {
	t.clock.running = 1
	return t.timer.Reset(d)
}

// A timer that comes early, by a clock that is not quite the timer's, is set
// again.
func TestTimerThatComesEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{Clock: hastyClock{eventbus.SystemClock()}})
		s := join(t, in, "shop.mailer", "#")
		began := time.Now()
		send(t, in, later("0", time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.Receive(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(began))
	})
}

// hastyClock has timers that come when half the time is over, to within a
// microsecond.
type hastyClock struct{ eventbus.Clock }

func hasty(d time.Duration) time.Duration {
	if d < time.Microsecond {
		return d
	}
	return d / 2
}

func (c hastyClock) AfterFunc(d time.Duration, f func()) eventbus.Timer {
	return hastyTimer{c.Clock.AfterFunc(hasty(d), f)}
}

type hastyTimer struct{ eventbus.Timer }

func (t hastyTimer) Reset(d time.Duration) bool { return t.Timer.Reset(hasty(d)) }

func TestDelayedHeap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var heap delayed
	var model []item
	zero := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range uint64(8_000) {
		if rng.IntN(5) > 0 && n < 4_500 || len(model) == 0 {
			it := item{}
			it.Origin.N = n
			it.NotBefore = zero.Add(time.Duration(rng.IntN(500)))
			heap.push(&it)
			model = append(model, it)
			continue
		}
		least := slices.MinFunc(model, func(a, b item) int {
			return cmp.Or(a.NotBefore.Compare(b.NotBefore), cmp.Compare(a.Origin.N, b.Origin.N))
		})
		model = slices.DeleteFunc(model, func(it item) bool { return it.Origin.N == least.Origin.N })
		require.Equal(t, &least, heap.pop())
		require.Len(t, heap, len(model))
	}
	for len(heap) > 0 {
		heap.pop()
	}
	require.LessOrEqual(t, cap(heap), delayedKept, "it does not stay as large as it was")
}
