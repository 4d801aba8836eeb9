package demo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
