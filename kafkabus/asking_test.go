package kafkabus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// newAskingEpoch has a topic of so many partitions, with one leader, and no source of it yet.
func newAskingEpoch(partitions int) *epoch {
	t := &transport{}
	t.routes.now.Store(&picture{time.Now(), map[string]*route{"order": {numbered(partitions), make([]int32, partitions)}}, nil})
	return &epoch{
		member: &member{transport: t, group: engine.Group{Name: "shop"}}, life: context.Background(),
		hungry: make(chan struct{}, 1), lines: map[int32]*line{},
	}
}

// What has more is fetched whatever waits for news beside it, and what waits comes to wait together.
func TestBacklogsDoNotWaitForNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAskingEpoch(4)
		add := func() *source {
			s := newSource(e, place{"order", int32(len(e.sources))}, known{}, nil)
			e.add(s)
			return s
		}
		busy, calm, late := add(), add(), add()
		one := func(wait time.Duration, of ...*source) asking {
			t.Helper()
			as := e.claim(0)
			require.Len(t, as, 1)
			require.Equal(t, wait, as[0].wait)
			require.ElementsMatch(t, of, as[0].of)
			return as[0]
		}
		end := func(a asking, cold bool) {
			for _, s := range a.of {
				s.cold = cold
			}
			e.release(a)
		}
		end(one(glanceWait, busy, calm, late), true)
		first := one(fetchWait, busy, calm, late)
		end(first, true)
		busy.cold = false
		as := e.claim(0) // its news came
		require.Len(t, as, 2)
		waits, glance := as[0], as[1]
		require.Equal(t, []*source{busy}, glance.of)
		require.Equal(t, fetchWait, waits.wait)
		<-time.After(fetchWait / 5)
		end(glance, true)
		second := one(fetchWait*4/5, busy)

		more := add()
		glance = one(glanceWait, more) // though two wait
		end(glance, true)
		glance = one(glanceWait, more) // two are enough
		<-time.After(fetchWait * 4 / 5)
		end(waits, true)
		end(second, true)
		require.Empty(t, e.claim(0), "they wait for the last")
		end(glance, true)
		one(fetchWait, busy, calm, late, more)
	})
}

// What never ends must not keep others from being asked for.
func TestABacklogDoesNotKeepOthersFromTheirNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newAskingEpoch(2)
		busy, calm := newSource(e, place{"order", 0}, known{}, nil), newSource(e, place{"order", 1}, known{}, nil)
		e.add(busy)
		require.Len(t, e.claim(0), 1)
		e.add(calm)
		calm.cold = true
		require.Empty(t, e.claim(0), "it waits for what may have nothing soon")
		<-time.After(glanceWait)
		as := e.claim(0)
		require.Len(t, as, 1)
		require.Equal(t, []*source{calm}, as[0].of)
	})
}
