package demo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// Order is checked by version where the input's versions ascend, else by position.
func TestProjectionChecksOrder(t *testing.T) {
	const none = 0
	for name, c := range map[string]struct {
		versions   []int64 // in the input, of one aggregate
		arrival    []int   // positions
		violations int
	}{
		"in order":                  {[]int64{1, 2, 3}, []int{0, 1, 2}, 0},
		"versions with gaps":        {[]int64{3, 7, 20}, []int{0, 1, 2}, 0},
		"one late":                  {[]int64{1, 2, 3}, []int{0, 2, 1}, 1},
		"two late":                  {[]int64{1, 2, 3}, []int{2, 0, 1}, 2},
		"no versions":               {[]int64{none, none, none}, []int{0, 1, 2}, 0},
		"no versions, one late":     {[]int64{none, none, none}, []int{1, 0, 2}, 1},
		"misnumbered input":         {[]int64{5, 2, 2}, []int{0, 1, 2}, 0},
		"misnumbered and late":      {[]int64{5, 2, 2}, []int{1, 0, 2}, 1},
		"a duplicate is no trouble": {[]int64{1, 2, 3}, []int{0, 1, 1, 2}, 0},
		"nor all again":             {[]int64{1, 2, 3}, []int{0, 1, 2, 0, 1, 2}, 0},
		"nor without versions":      {[]int64{none, none, none}, []int{0, 1, 2, 0}, 0},
		"the first of two is late":  {[]int64{1, 2, 3}, []int{0, 2, 1, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegister()
			var events []eventbus.DomainEvent
			for i, v := range c.versions {
				e := eventbus.NewRaw("order.changed", "o-1", "", nil).WithVersion(v)
				require.NoError(t, r.enter(&e, i+1))
				events = append(events, e)
			}
			p := newProjection(r)
			for _, position := range c.arrival {
				require.NoError(t, p.handle(t.Context(), events[position], position))
			}
			require.Equal(t, c.violations, p.outOfOrder())
		})
	}
}

func TestProjectionKeepsAggregatesApart(t *testing.T) {
	r := newRegister()
	p := newProjection(r)
	for i, e := range []eventbus.DomainEvent{
		eventbus.NewRaw("order.changed", "1", "", nil).WithVersion(2), eventbus.NewRaw("order.changed", "2", "", nil).WithVersion(1),
		eventbus.NewRaw("payment.changed", "1", "", nil).WithVersion(1), eventbus.NewRaw("order.changed", "", "", nil).WithVersion(1),
	} {
		require.NoError(t, r.enter(&e, i+1))
		require.NoError(t, p.handle(t.Context(), e, 10-i))
	}
	require.Zero(t, p.outOfOrder())
	require.Equal(t, map[string]int{"order.changed": 3, "payment.changed": 1}, p.types)
}
