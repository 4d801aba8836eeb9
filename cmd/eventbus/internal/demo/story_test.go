package demo

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestStoryDependsOnItsSeedAlone(t *testing.T) {
	first, again := storyLines(40, 7), storyLines(40, 7)
	require.Equal(t, first, again)
	require.NotEqual(t, first, storyLines(40, 8))
}

func TestStoryIsWhole(t *testing.T) {
	s := story{orders: 300, seed: 1}
	known, err := s.survey(t.Context(), &console{err: io.Discard})
	require.NoError(t, err)
	events := slices.Collect(s.tell())
	require.Len(t, events, known.events)

	byID := map[string]eventbus.DomainEvent{}
	versions := map[aggregateKey]int64{}
	types := map[string]int{}
	for i, e := range events {
		require.NoError(t, e.Validate())
		require.NotContains(t, byID, e.ID)
		key := aggregateKey{e.AggregateType, e.AggregateID}
		versions[key]++
		require.Equal(t, versions[key], e.AggregateVersion, e.ID)
		if e.Type == "order.placed" {
			require.Empty(t, e.CausationID)
			require.Equal(t, e.AggregateID, e.CorrelationID)
		} else {
			cause, told := byID[e.CausationID]
			require.True(t, told, "%s is caused by what was not told yet", e.ID)
			require.Equal(t, cause.CorrelationID, e.CorrelationID)
			require.Equal(t, cause.ActorID, e.ActorID)
		}
		if i > 0 {
			require.True(t, e.Time.After(events[i-1].Time))
		}
		byID[e.ID] = e
		types[e.Type]++
		types[e.AggregateType+".#"]++
	}
	for _, want := range []string{"order.#", "payment.#", "shipment.#", "invoice.#", "payment.declined", "order.cancelled", "shipment.returned"} {
		require.Positive(t, types[want], want)
	}
	require.Equal(t, 300, types["order.placed"])
	require.Equal(t, 300, types["order.completed"]+types["order.cancelled"])
}

// The orders are under way together, or there would be no order to keep apart.
func TestStoryMixesItsOrders(t *testing.T) {
	switches, last := 0, ""
	for e := range (story{orders: 100, seed: 1}).tell() {
		if e.CorrelationID != last {
			switches++
		}
		last = e.CorrelationID
	}
	require.Greater(t, switches, 500)
}

func TestSmallestStoryHasPoison(t *testing.T) {
	for seed := range uint64(20) {
		require.Contains(t, strings.Join(storyLines(1, seed), "\n"), storyPoison)
	}
}

// About 3 % of the events fail, some of them twice.
func TestNotifierFailsForSome(t *testing.T) {
	by := map[int]int{}
	n := 0
	for e := range (story{orders: 2000, seed: 3}).tell() {
		by[failures(e.ID)]++
		n++
	}
	require.InDelta(t, 0.03, float64(by[1]+by[2])/float64(n), 0.01)
	require.InDelta(t, by[1], by[2], float64(by[1])/2)
	require.Len(t, by, 3)
}
