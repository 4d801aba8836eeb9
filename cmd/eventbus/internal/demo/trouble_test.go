package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

var (
	errMaybe   = fmt.Errorf("%w: EOF", eventbus.ErrUnknown)
	errRefused = fmt.Errorf("%w: connection refused", eventbus.ErrRefused)
)

// answers says of the calls what it is given, and of all later ones that they are stored.
func answers(stored int, errs ...error) func(call, n int) (int, error) {
	return func(call, n int) (int, error) {
		if call < 1 || call > len(errs) {
			return n, nil
		}
		return min(stored, n), errs[call-1]
	}
}

// A server that is away while events are published costs duplicates at most.
func TestPublishesAgainWhatWasNotConfirmed(t *testing.T) {
	n := len(storyLines(100, 1))
	for name, c := range map[string]struct {
		answer     func(int, int) (int, error)
		duplicates int
	}{
		"unknown, and stored":           {answers(batchSize, errMaybe), 4 * batchSize},
		"unknown, and not stored":       {answers(0, errMaybe), 0},
		"unknown, and stored in part":   {answers(100, errMaybe), 4 * 100},
		"unknown, and stored each time": {answers(10, errMaybe, errMaybe, errMaybe), 3 * 4 * 10},
		"refused for a while":           {answers(0, errRefused, errRefused, errRefused, errRefused, errRefused), 0},
		"unknown, then refused":         {answers(0, errMaybe, errRefused, errMaybe), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := play(t, &fakeBus{answer: c.answer}, Config{JSON: true, Orders: 100, Seed: 1})
				require.Equal(t, StatusGood, got.status, got.err)
				require.Equal(t, "eventbus demo: the server did not confirm 256 events: publishing them again\n", got.err)
				sums := got.totals(t)
				require.Equal(t, n, sums.Published)
				require.Equal(t, batchSize, sums.PublishedAgain)
				require.Equal(t, c.duplicates, sums.Duplicates)
				require.Equal(t, 4*n+c.duplicates, sums.Handled["projection"]+sums.Handled["audit"]+sums.Handled["notifier"]+sums.Handled["biller"])
				require.Zero(t, sums.OrderViolations+sums.Lost+sums.LeftInDLQ)
				require.Equal(t, sums.DeadLettered, sums.Replayed)
			})
		})
	}
}

func TestPublishingAgainEnds(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		took time.Duration
	}{
		"a server that stays away": {errRefused, time.Minute},
		"one that never answers":   {errMaybe, time.Minute},
		"an event that is invalid": {fmt.Errorf("%w: %w", eventbus.ErrRefused, &eventbus.TooLargeError{}), 0},
		"no permission":            {fmt.Errorf("%w: %w", eventbus.ErrRefused, redisbus.ErrPermission), 0},
		"a bus that is closed":     {fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrClosed), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := play(t, &fakeBus{answer: func(call, n int) (int, error) {
					if call == 0 {
						return n, nil
					}
					return 0, c.err
				}}, Config{JSON: true, Orders: 100, Seed: 1})
				require.Equal(t, StatusFault, got.status)
				require.Equal(t, c.took, time.Since(began))
				require.Equal(t, batchSize, got.totals(t).Published)
				require.Contains(t, got.err, "256 of 256 events failed")
				require.Contains(t, got.err, "Broken off")
				require.Equal(t, c.took > 0, strings.Contains(got.err, "publishing them again"))
			})
		})
	}
}

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
	groups map[string]bool
	refuse func(call int) (done bool, err error)
	calls  int
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

func TestInterruptedWhilePublishingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		var out, err safeBuffer
		bus := &fakeBus{answer: answers(0, slices.Repeat([]error{errRefused}, 1000)...)}
		status := Run(ctx, Config{Orders: 100, Seed: 1, Stdout: &out, Stderr: &err, Open: bus.open})
		require.Equal(t, StatusInterrupted, status)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Contains(t, out.String(), "Interrupted: these are the totals so far.")
	})
}

// A duplicate is a fault, unless something is known that explains it.
func TestDuplicates(t *testing.T) {
	at := func(n int, f fault) func(string, int) fault {
		return func(s string, i int) fault {
			if s == "audit" && i == n {
				return f
			}
			return fault{times: 1}
		}
	}
	for name, c := range map[string]struct {
		bus    *fakeBus
		status int
		err    string
	}{
		"for no reason":                   {&fakeBus{deliver: at(10, fault{times: 2})}, StatusFault, "1 delivery handled more than once"},
		"since the connection was lost":   {&fakeBus{deliver: at(10, fault{times: 2, lost: true})}, StatusGood, ""},
		"of what was not published again": {&fakeBus{deliver: at(10, fault{times: 2}), answer: answers(0, errMaybe)}, StatusFault, "1 delivery handled more than once"},
		"of what was refused":             {&fakeBus{deliver: at(300, fault{times: 2}), answer: answers(0, errRefused)}, StatusFault, "1 delivery handled more than once"},
	} {
		t.Run(name, func(t *testing.T) {
			got := play(t, c.bus, Config{JSON: true, Orders: 100, Seed: 1})
			require.Equal(t, c.status, got.status, got.err)
			require.Contains(t, got.err, c.err)
			require.Equal(t, 1, got.totals(t).Duplicates)
		})
	}
}

// What was published again does not excuse an event whose first coming is late.
func TestFirstComingThatIsLateIsAViolation(t *testing.T) {
	ordered := strings.Join([]string{
		eventLine("a", "order.placed", "o-1"), eventLine("b", "order.paid", "o-1"), eventLine("c", "order.sent", "o-1"),
	}, "\n")
	for name, late := range map[string]int{"of the first time": 1, "of the second": 4} {
		t.Run(name, func(t *testing.T) {
			bus := &fakeBus{
				answer:  func(call, n int) (int, error) { return []int{n, n}[call], []error{errMaybe, nil}[call] },
				deliver: func(s string, i int) fault { return fault{times: 1, late: s == "projection" && i == late} },
			}
			got := play(t, bus, Config{Events: file(t, "events", []byte(ordered)), JSON: true})
			sums := got.totals(t)
			require.Equal(t, 12, sums.Duplicates, got.err)
			require.Equal(t, map[int]int{1: 1, 4: 0}[late], sums.OrderViolations)
			require.Equal(t, map[int]int{1: StatusFault, 4: StatusGood}[late], got.status, got.err)
		})
	}
}

// Letters that an event leaves twice are both replayed.
func TestLettersOfWhatWasPublishedTwice(t *testing.T) {
	got := play(t, &fakeBus{answer: answers(batchSize, errMaybe)}, Config{Orders: 100, Seed: 1, Poison: "order.#"})
	require.Equal(t, StatusGood, got.status, got.err)
	require.Regexp(t, `published again +256\n`, got.out)
	require.Regexp(t, `duplicates +1,024\n`, got.out)
	require.Contains(t, got.out, "was handled by each of 4 subscribers")
	require.Contains(t, got.out, "did not confirm 256 events")
}
