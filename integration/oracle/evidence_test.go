package oracle_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
)

// What was received differs in one thing from what was published.
func TestEveryDifferenceIsFound(t *testing.T) {
	for name, change := range map[string]func(r *journal.Record, l *dlq.Letter){
		"payload": func(r *journal.Record, l *dlq.Letter) { r.Sum, l.Body = "another", []byte("another") },
		"content type": func(r *journal.Record, l *dlq.Letter) {
			r.ContentType, l.Event = "text/plain", eventbus.DomainEvent{ID: "b1"}
		},
		"type":           func(r *journal.Record, l *dlq.Letter) { r.EventType, l.Type = "order.paid", "order.paid" },
		"aggregate type": func(r *journal.Record, l *dlq.Letter) { r.AggregateType, l.AggregateType = "invoice", "invoice" },
		"aggregate ID":   func(r *journal.Record, l *dlq.Letter) { r.AggregateID, l.AggregateID = "x", "x" },
	} {
		for _, end := range []string{"handled", "failed"} {
			x := play(t, "a1 ok, a1 handled, a1 "+end+", b1 ok, b1 letter", oracle.Subscriber{Repeats: 1})
			require.NoError(t, oracle.Check(x.Evidence).Err())
			change(&x.Log.Records[3], &x.Letters[0])
			r := oracle.Check(x.Evidence)
			require.Equal(t, "I4", broken(r), name)
			require.Equal(t, 2, r.Findings[0].Count, "%s: the record and the letter: %s", name, r)
		}
	}
}

func TestWhatComesFromNowhere(t *testing.T) {
	x := play(t, "a1 ok, a1 handled, b1 ok, b1 letter", oracle.Subscriber{})
	x.Log.Records[2].Subscriber = "shop.other"
	x.Letters[0].Group = "office"
	r := oracle.Check(x.Evidence)
	require.Equal(t, "I1 I4", broken(r))
	require.ErrorContains(t, r.Err(), "shop.other: order.created of order/a, ID a1 handled at 03:04:05.002000 by w1 (pid 7)")
	require.ErrorContains(t, r.Err(), "office.mailer: ID b1, letter letter-0")
}

func TestLettersThatCannotBeRead(t *testing.T) {
	for foreign, want := range map[int]string{0: "I4", 1: "I4", 2: "", 3: "I1"} {
		x := play(t, "a1 ok, a1 handled", oracle.Subscriber{Foreign: foreign})
		raw := dlq.Letter{ID: "raw", Group: "shop", Subscriber: "mailer", Reason: dlq.Undecodable, Body: []byte{0xff}}
		x.Letters = append(x.Letters, raw, raw)
		require.Equal(t, want, broken(oracle.Check(x.Evidence)), foreign)
	}
}

// An oracle that was told too little, or nonsense, proves nothing, and says so.
func TestUnsoundEvidence(t *testing.T) {
	good := "a1 ok, a1 handled, a2 ok, a2 handled"
	for want, change := range map[string]func(e *oracle.Evidence){
		"nothing was published through a journal":     func(e *oracle.Evidence) { e.Log = journal.Log{} },
		"no subscriber is named":                      func(e *oracle.Evidence) { e.Subscribers = nil },
		"is named twice":                              func(e *oracle.Evidence) { e.Subscribers = append(e.Subscribers, e.Subscribers[0]) },
		"asks for nothing":                            func(e *oracle.Evidence) { e.Subscribers[0].Events = nil },
		"events: must be dotted words":                func(e *oracle.Evidence) { e.Subscribers[0].Events = []string{"a b"} },
		"outcomes are told of publishes that nobody":  func(e *oracle.Evidence) { e.Log.Records = e.Log.Records[1:] },
		"published of ID a1 at 03:04:05.001001":       func(e *oracle.Evidence) { e.Log.Records = append(e.Log.Records, e.Log.Records[1]) },
		"ID a1 and ID a2 are both #1":                 func(e *oracle.Evidence) { e.Log.Records[3].Seq = 1 },
		"not published in the order of their places":  func(e *oracle.Evidence) { e.Log.Records[0].Time = e.Log.Records[3].Time + 1 },
		"published under one ID and are not the same": func(e *oracle.Evidence) { r := e.Log.Records[0]; r.Sum = "x"; e.Log.Records = append(e.Log.Records, r) },
		": order.created of order/x, application/json with": func(e *oracle.Evidence) {
			r := e.Log.Records[0]
			r.AggregateID = "x"
			e.Log.Records = append(e.Log.Records, r)
		},
	} {
		x := play(t, good, oracle.Subscriber{})
		require.NoError(t, oracle.Check(x.Evidence).Err())
		change(&x.Evidence)
		r := oracle.Check(x.Evidence)
		require.ErrorContains(t, r.Err(), want)
		require.Equal(t, oracle.Sound, r.Findings[0].Invariant, want)
	}
}

// Two publishers that count by themselves have no order between them.
func TestCountersAreApart(t *testing.T) {
	x := play(t, "a1 ok, a2 ok, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{})
	require.Equal(t, "I2", broken(oracle.Check(x.Evidence)))
	x.Log.Records[0].Counter, x.Log.Records[1].Counter = "p1/7/1", "p1/7/1"
	require.Empty(t, broken(oracle.Check(x.Evidence)))
}
