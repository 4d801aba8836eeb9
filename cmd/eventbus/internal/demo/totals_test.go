package demo

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// sums are those of a good run of ten events with two letters.
func sums() (Totals, facts) {
	all := func() map[string]int {
		return map[string]int{"projection": 10, "audit": 10, "notifier": 10, "biller": 10}
	}
	return Totals{Published: 10, Handled: all(), Retried: 3, DeadLettered: 2, Replayed: 2, Seconds: 2, EventsPerSecond: 5},
		facts{offered: 10, listed: 2, confirmed: all()}
}

func TestSumsThatAddUp(t *testing.T) {
	totals, f := sums()
	require.Empty(t, totals.faults(f))
}

// Each sum counts.
func TestSumsThatDoNot(t *testing.T) {
	for want, spoil := range map[string]func(*Totals, *facts){
		"10 published of 11 events":             func(_ *Totals, f *facts) { f.offered++ },
		"audit handled 9 of 10 events":          func(t *Totals, f *facts) { t.Handled["audit"]--; f.confirmed["audit"]-- },
		"biller handled 10 events, the bus":     func(_ *Totals, f *facts) { f.confirmed["biller"]++ },
		"2 events buried, 1 letter in the list": func(_ *Totals, f *facts) { f.listed-- },
		"1 replayed of 2 dead letters":          func(t *Totals, _ *facts) { t.Replayed-- },
		"1 dead letter left":                    func(t *Totals, _ *facts) { t.LeftInDLQ++ },
		"1 event out of order":                  func(t *Totals, _ *facts) { t.OrderViolations++ },
		"1,000 deliveries lost":                 func(t *Totals, _ *facts) { t.Lost = 1000 },
		"1 delivery handled more than once":     func(_ *Totals, f *facts) { f.surplus++ },
		"biller handled 9 of 10 events":         func(_ *Totals, f *facts) { f.repeated = map[string]int{"biller": 1} },
		"1 event handled that nobody published": func(_ *Totals, f *facts) { f.strangers++ },
	} {
		totals, f := sums()
		spoil(&totals, &f)
		faults := totals.faults(f)
		require.Len(t, faults, 1)
		require.Contains(t, faults[0], want)
	}
}

func TestLedgerMeasures(t *testing.T) {
	l := newLedger(newRegister(), []string{"a"})
	for position := range 5 {
		l.store(position)
	}
	for _, position := range []int{0, 2, 2, 2} {
		l.handled(l.begin("a"), position)
	}
	l.stranger("a")
	dead := deadSet{}
	dead.add("a", 1)
	dead.add("a", 2) // handled once replayed, and yet there
	totals, f := l.sum(dead)
	require.Equal(t, Totals{Published: 5, Handled: map[string]int{"a": 4}, Duplicates: 2, Lost: 2}, totals)
	require.Equal(t, 1, f.strangers)
}

// What trouble explains is a duplicate all the same, and no fault.
func TestLedgerExplainsDuplicates(t *testing.T) {
	const again, lost, refused, lapse = "stored perhaps, and published again", "the connection was lost", "refused, and published again", "a lease ran out"
	const sent, cut = "retried or replayed", "the connection for publishing was lost"
	for _, c := range []struct {
		between     []string // of two calls each
		duplicates  int
		unexplained int
	}{
		{nil, 0, 0},
		{[]string{""}, 1, 1},
		{[]string{again}, 1, 0},
		{[]string{again, ""}, 2, 1},
		{[]string{again, again}, 2, 0},
		{[]string{lost}, 1, 0},
		{[]string{lost, ""}, 2, 1},
		{[]string{lost, lost, again}, 3, 0},
		{[]string{again, lost}, 2, 0},
		{[]string{refused}, 1, 1},
		{[]string{lapse}, 1, 0},
		{[]string{lapse, ""}, 2, 1},
		{[]string{cut}, 1, 1},
		{[]string{sent}, 1, 1},
		{[]string{sent, cut}, 2, 1},
		{[]string{cut, sent}, 2, 1},
		{[]string{cut, sent, cut}, 3, 1},
	} {
		l := newLedger(newRegister(), []string{"a", "b"})
		l.store(0)
		l.trouble.publishAgain(7, true)
		l.trouble.reconnected("b")
		l.handled(l.begin("a"), 0)
		for _, what := range c.between {
			switch what {
			case again, refused:
				l.trouble.publishAgain(0, what == again)
			case lost:
				l.trouble.reconnected("a")
			case lapse:
				l.trouble.lapse("a", 1)
			case sent:
				l.reopen("a", 0)
			case cut:
				l.trouble.reconnected(publishing)
			}
			l.handled(l.begin("a"), 0)
		}
		totals, f := l.sum(deadSet{})
		require.Equal(t, c.duplicates, totals.Duplicates, c)
		require.Equal(t, c.unexplained, f.surplus, c)
		require.Equal(t, c.duplicates, f.repeated["a"], c)
	}
}

// A handler that began before the connection was lost may end after it is back.
func TestLedgerLooksAtTheBeginningOfACall(t *testing.T) {
	l := newLedger(newRegister(), []string{"a"})
	first := l.begin("a")
	l.trouble.reconnected("a")
	l.handled(first, 0)
	l.handled(l.begin("a"), 0)
	require.Zero(t, l.unexplained())
	l.handled(l.begin("a"), 0)
	require.Equal(t, 1, l.unexplained())
}

// A letter whose event came again after its connection was lost is told of twice.
func TestLedgerCountsALetterOnce(t *testing.T) {
	l := newLedger(newRegister(), []string{"a"})
	for _, id := range []string{"one", "two", "one"} {
		l.observer().Buried(eventbus.Buried{Subscriber: "a", LetterID: id})
	}
	totals, _ := l.sum(deadSet{})
	require.Equal(t, 2, totals.DeadLettered)
}

func TestVerdict(t *testing.T) {
	totals, _ := sums()
	require.Equal(t, "The sums add up: each of 10 events was handled once by each of 4 subscribers, in order within its aggregate, and no letter is left.",
		totals.verdict())
	require.NotContains(t, totals.text(), "again")
	totals.PublishedAgain = 3
	require.Contains(t, totals.verdict(), "was handled once by each")
	require.Contains(t, totals.verdict(), "\nThe server did not confirm 3 events at first")
	require.Regexp(t, `^  published +10\n  published again +3\n`, totals.text())
	require.Contains(t, totals.json(), `"published":10,"published_again":3,`)
	totals.Duplicates = 1
	require.Contains(t, totals.verdict(), "was handled by each")
	require.Contains(t, totals.verdict(), "\n1 delivery came again, as ")
}

func TestObjectOfTheTotals(t *testing.T) {
	totals, _ := sums()
	require.JSONEq(t, `{"published":10,"handled":{"projection":10,"audit":10,"notifier":10,"biller":10},"retried":3,
		"dead_lettered":2,"replayed":2,"left_in_dlq":0,"order_violations":0,"lost":0,"duplicates":0,"seconds":2,"events_per_second":5}`,
		totals.json())
	require.True(t, json.Valid([]byte(totals.json())))
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		require.Equal(t, want, number(n))
	}
	require.Equal(t, "1 entry", count(1, "entry"))
	require.Equal(t, "0 entries", count(0, "entry"))
	require.Equal(t, "2 orders", count(2, "order"))
}
