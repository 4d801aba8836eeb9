package oracle_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
)

func TestAReportReadsLikeThis(t *testing.T) {
	steps := "a1 ok, a2 ok, a1 begun, a1 failed, a2 begun@w2, a2 handled@w2, a1 letter, b1 ok, b1 begun, c1 unknown, d1 untold, e1 refused, a2 begun, a2 handled, f1 begun, f1 handled"
	x := play(t, steps, oracle.Subscriber{})
	x.Log.Torn = 1
	x.Left = &oracle.Leftovers{Connections: 2, Files: []string{"socket:[4711]"}}
	r := oracle.Check(x.Evidence)
	require.Equal(t, strings.Join([]string{
		"oracle: broken: I1, I2, I3, I4, I6",
		"published: 3 ok, 2 unknown (1 of them untold), 1 refused; 5 ordered aggregates, 0 events without a place",
		"shop.mailer: 2 handled, 1 repeats (0 allowed), 1 letters; 5 attempts begun, 1 failed, 1 cut off; w1 (pid 7), w2 (pid 7)",
		"journals with a torn last line: 1",
		"",
		"I1 (nothing accepted is lost) by shop.mailer is broken: 1 events are neither handled nor buried, though Publish returned nil",
		"  - order.created of order/b #1, ID b1: published at 03:04:05.008000 by p1 (pid 7); begun 1 times, and no end",
		"",
		"I2 (each aggregate in order) by shop.mailer is broken: 1 events were handled before earlier ones of their aggregate were handled or buried, the first of each aggregate:",
		"  - order.created of order/a #2, ID a2: its handling began at 03:04:05.005000 by w2 (pid 7),",
		"      before #1, ID a1, was buried at 03:04:05.007000 by w1 (pid 7)",
		"",
		"I3 (repeats within the bound) by shop.mailer is broken: 1 repeats, and 0 are allowed:",
		"  - order.created of order/a, ID a2: handled 2 times: at 03:04:05.006000 by w2 (pid 7), at 03:04:05.014000 by w1 (pid 7)",
		"",
		"I4 (nothing invented) by shop.mailer is broken: 1 events were received that nobody published",
		"  - order.created of order/f, ID f1, handled at 03:04:05.016000 by w1 (pid 7)",
		"",
		"I6 (nothing left over) is broken: 1 files are still open after 0s:",
		"  - socket:[4711]",
		"",
		"I6 (nothing left over) is broken: 2 connections to the broker are still open after 0s",
		"  - as the broker counts them",
	}, "\n"), r.String())
	var broken *oracle.BrokenError
	require.ErrorAs(t, r.Err(), &broken)
	require.Equal(t, r.String(), broken.Error())
}

func TestManyExamplesAreCutShort(t *testing.T) {
	var steps []string
	for i := range 25 {
		steps = append(steps, fmt.Sprintf("%c1 ok", 'a'+i))
	}
	r := oracle.Check(play(t, strings.Join(steps, ","), oracle.Subscriber{}).Evidence)
	require.Len(t, r.Findings, 1)
	require.Equal(t, 25, r.Findings[0].Count)
	require.Len(t, r.Findings[0].Examples, 10)
	require.True(t, strings.HasSuffix(r.String(), "\n  - and 15 more"))
}

// The order of the records is chance where several files are read.
func TestTheReportDependsOnNoOrder(t *testing.T) {
	x := play(t, "a1 ok, a2 ok, a2 begun, a2 handled, a1 begun, a1 handled, a1 handled@w2, a2 handled, b1 ok, c1 ok, c1 handled@w3, d1 handled, e1 handled", oracle.Subscriber{})
	first := oracle.Check(x.Evidence)
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		random.Shuffle(len(x.Log.Records), func(i, j int) {
			x.Log.Records[i], x.Log.Records[j] = x.Log.Records[j], x.Log.Records[i]
		})
		require.Equal(t, first.String(), oracle.Check(x.Evidence).String())
	}
}

func TestWhoDidNotLookSaysSo(t *testing.T) {
	x := play(t, "a1 ok, a1 handled", oracle.Subscriber{})
	r := oracle.Check(x.Evidence)
	require.NoError(t, r.Err())
	require.Contains(t, r.String(), "nobody looked at what is left over (I6)")
	x.Left = &oracle.Leftovers{}
	require.Contains(t, oracle.Check(x.Evidence).String(), "oracle: every promise is kept\n")
}

// BenchmarkCheck judges 20,000 events at two subscribers.
func BenchmarkCheck(b *testing.B) {
	var e oracle.Evidence
	names := []string{"shop.mailer", "shop.audit"}
	for i := range 20_000 {
		r := journal.Record{
			EventID: fmt.Sprint("event-", i), EventType: "order.created", AggregateType: "order", AggregateID: fmt.Sprint(i % 200),
			Seq: int64(1 + i/200), Sum: "sum", ContentType: "application/json", Worker: "w", PID: 1, Time: int64(1 + i),
		}
		for _, r.What = range []journal.What{journal.Attempted, journal.Published} {
			e.Log.Records = append(e.Log.Records, r)
		}
		for _, r.Subscriber = range names {
			for _, r.What = range []journal.What{journal.Begun, journal.Handled} {
				e.Log.Records = append(e.Log.Records, r)
			}
		}
	}
	for _, name := range names {
		e.Subscribers = append(e.Subscribers, oracle.Subscriber{Name: name, Events: []string{"#"}})
	}
	for b.Loop() {
		if err := oracle.Check(e).Err(); err != nil {
			b.Fatal(err)
		}
	}
}
