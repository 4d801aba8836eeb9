package demo

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// Letters and groups are asked for again while the server is away.
func TestServerIsAwayAtTheEnd(t *testing.T) {
	twice := func(of string) func(string) error {
		n := 0
		return func(op string) error {
			if op == of {
				n++
			}
			return map[bool]error{true: errFake}[op == of && n <= 2]
		}
	}
	replays := 0
	for name, bus := range map[string]*fakeBus{
		"while it lists":            {letters: &flakyStore{before: twice("page")}},
		"while it replays":          {replay: func() error { replays++; return map[bool]error{true: errFake}[replays < 3] }},
		"while it removes a letter": {letters: &flakyStore{before: twice("remove")}},
		"before it says so":         {letters: &flakyStore{after: twice("remove")}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := play(t, bus, Config{JSON: true, Orders: 100, Seed: 1})
				require.Equal(t, StatusGood, got.status, got.err)
				sums := got.totals(t)
				require.Equal(t, sums.DeadLettered, sums.Replayed)
				// A letter that was sent and not removed is sent again, which this bus does not notice.
				require.Equal(t, name == "while it removes a letter", sums.Duplicates > 0)
			})
		})
	}
}

// managed is a fake bus with groups.
type managed struct {
	*fakeBus
	eventbus.Admin // of which the demo needs no more than is here
	groups         map[string]bool
	refuse         func(call int) (done bool, err error)
	calls          int
}

func (m *managed) open(o eventbus.Options) (eventbus.EventBus, error) {
	m.groups = map[string]bool{}
	for _, name := range subscriberNames() {
		m.groups[o.Group+"."+name] = true
	}
	_, err := m.fakeBus.open(o)
	return m, err
}

func (m *managed) Groups(context.Context) ([]string, error) {
	return slices.Collect(maps.Keys(m.groups)), nil
}

func (m *managed) DeleteGroup(_ context.Context, group string) error {
	m.calls++
	if !m.groups[group] {
		return &eventbus.ValidationError{Field: "group", Rule: "must be one that exists"}
	}
	done, err := m.refuse(m.calls)
	if done {
		delete(m.groups, group)
	}
	return err
}

func TestGroupsAreDeletedAtLast(t *testing.T) {
	member := &eventbus.ValidationError{Field: "group", Rule: "must have no member"}
	for name, refuse := range map[string]func(call int) (bool, error){
		"at once":                   func(int) (bool, error) { return true, nil },
		"without an answer":         func(call int) (bool, error) { return true, map[int]error{2: errFake}[call] },
		"when the server is back":   func(call int) (bool, error) { return call > 5, map[bool]error{true: errFake}[call <= 5] },
		"when the members are gone": func(call int) (bool, error) { return call > 6, map[bool]error{true: member}[call <= 6] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus := &managed{fakeBus: &fakeBus{}, refuse: refuse}
				got := play(t, nil, Config{JSON: true, Orders: 100, Seed: 1, Open: bus.open})
				require.Equal(t, StatusGood, got.status, got.err)
				require.Empty(t, got.err)
				require.Empty(t, bus.groups)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		bus := &managed{fakeBus: &fakeBus{}, refuse: func(int) (bool, error) { return false, member }}
		got := play(t, nil, Config{JSON: true, Orders: 100, Seed: 1, Open: bus.open})
		require.Equal(t, StatusFault, got.status)
		require.Contains(t, got.err, "must have no member")
	})
}
