package rabbitbus

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestLettersAreKeptAsInMemory: the contract of dlq.Store, held against the store that
// defines it.
func TestLettersAreKeptAsInMemory(t *testing.T) {
	for name, does := range map[string]func(*letterTwins){
		"a letter is stored once": func(w *letterTwins) {
			again := lettertwins.Letter(0)
			again.Reason = dlq.Panic
			w.Put(lettertwins.Letter(0))
			w.Put(again)
			w.Put(lettertwins.Letter(1))
			require.Equal(w.t, []string{"000000", "000001"}, w.ListAll(dlq.Filter{}, 9))
			require.Zero(w.t, w.Count(dlq.Filter{Group: "shop", Reason: dlq.Panic}))
		},
		"none": func(w *letterTwins) {
			require.Empty(w.t, w.ListAll(dlq.Filter{}, 9))
			require.Zero(w.t, w.Count(dlq.Filter{Group: "shop"}))
			require.ErrorIs(w.t, w.Take("none", time.Minute), dlq.ErrNotFound)
			w.Release("none")
			require.Zero(w.t, w.Remove("none"))
			require.Zero(w.t, w.Remove())
		},
		"pages": func(w *letterTwins) {
			w.fill(5)
			require.Len(w.t, w.ListAll(dlq.Filter{}, 2), 5)
			require.Len(w.t, w.ListAll(dlq.Filter{}, 5), 5)
			require.Equal(w.t, 5, w.Count(dlq.Filter{}))
			require.Empty(w.t, w.ListAll(dlq.Filter{Group: "none"}, 2))
			require.Empty(w.t, w.ListAll(dlq.Filter{Group: "shop", Groups: []string{"bi"}}, 2))
			require.Zero(w.t, w.Count(dlq.Filter{Group: "shop", Groups: []string{"bi"}}))
		},
		"several groups, by the time when they were stored": func(w *letterTwins) {
			for i := range 30 {
				l := lettertwins.Letter(i)
				l.Group, l.Subscriber = []string{"shop", "bi"}[i*i%3%2], []string{"mailer", "mail"}[i%5%2]
				w.Put(l)
			}
			require.Len(w.t, w.ListAll(dlq.Filter{}, 4), 30)
			w.ListAll(dlq.Filter{Group: "bi"}, 4)
			w.ListAll(dlq.Filter{Groups: []string{"bi", "shop", "bi"}, Subscriber: "mail"}, 4)
		},
		"a listing ends where it began": func(w *letterTwins) {
			w.fill(10)
			pages := 0
			got := w.List(dlq.Filter{}, 3, func() {
				if pages++; pages == 1 {
					w.Put(lettertwins.Letter(10))
					// 0 is behind, 3 is the next, and 9, put again, is a new one.
					require.Equal(w.t, 3, w.Remove("000000", "000003", "000009", "000009", "unknown"))
					w.Put(lettertwins.Letter(9))
				}
			})
			require.Equal(w.t, []string{"000000", "000001", "000002", "000004", "000005", "000006", "000007", "000008"}, lettertwins.IDs(got))
		},
		"a listing goes on while letters are compacted": func(w *letterTwins) {
			w.fill(10)
			pages := 0
			got := w.List(dlq.Filter{}, 3, func() {
				if pages++; pages < 4 {
					w.Remove(fmt.Sprintf("%06d", 3*pages))
					require.NoError(w.t, w.got.compact(w.t.Context(), w.got.log("shop.mailer")))
					w.Put(lettertwins.Letter(10 + pages))
				}
			})
			require.Equal(w.t, []string{"000000", "000001", "000002", "000004", "000005", "000006", "000007", "000008", "000009"}, lettertwins.IDs(got), "3 was removed before its page")
		},
		"by ID": func(w *letterTwins) {
			w.fill(5)
			f := dlq.Filter{IDs: []string{"000004", "none", "000001", "000004", "000002"}}
			require.Equal(w.t, []string{"000001", "000002", "000004"}, w.ListAll(f, 2))
			require.Equal(w.t, 3, w.Count(f))
			f.Subscriber = "biller"
			require.Empty(w.t, w.ListAll(f, 2))
		},
		"leases": func(w *letterTwins) {
			w.fill(1)
			require.NoError(w.t, w.Take("000000", time.Minute))
			require.ErrorIs(w.t, w.Take("000000", time.Minute), dlq.ErrTaken)
			require.Len(w.t, w.ListAll(dlq.Filter{}, 9), 1, "taken letters are listed")
			w.Release("000000")
			require.NoError(w.t, w.Take("000000", time.Minute))
			w.Remove("000000")
			require.ErrorIs(w.t, w.Take("000000", time.Minute), dlq.ErrNotFound)
			w.fill(2)
			for range 2 {
				require.NoError(w.t, w.Take("000000", time.Minute), "the lease went with the letter")
				require.NoError(w.t, w.Take("000001", time.Minute))
				require.Equal(w.t, 2, w.Remove("none", "000000", "000001"))
				w.fill(2)
			}
			w.Remove("000001")
			w.Release("000001")
			require.NoError(w.t, w.Take("000000", 0), "also that of one of several")
			require.NoError(w.t, w.Take("000000", -1), "a lease of no time is none")
			require.NoError(w.t, w.Take("000000", time.Minute))
		},
	} {
		t.Run(name, func(t *testing.T) { does(newLetterTwins(t, realBroker(t))) })
	}
}

func (w *letterTwins) fill(n int) {
	for i := range n {
		w.Put(lettertwins.Letter(i))
	}
}

// TestLettersAreFoundByWhatIsAskedFor, also where a call looks at few letters at a time.
func TestLettersAreFoundByWhatIsAskedFor(t *testing.T) {
	w := newLetterTwins(t, realBroker(t))
	at := lettertwins.Letter(0).LastFailure
	for i := range 36 {
		l := lettertwins.Letter(i)
		l.Group, l.Subscriber = []string{"shop", "bi"}[i%2], []string{"mailer", "biller", "mail"}[i%3]
		l.Reason = []dlq.Reason{dlq.Panic, dlq.Timeout}[i/9%2]
		l.LastFailure = at.Add(time.Duration(i/2) * 400 * time.Microsecond)
		w.Put(l)
	}
	few := quick()
	few.chunk, few.bytes, few.chunks = 4, 1500, 2
	for _, bounds := range []letterBounds{w.got.bounds, few} {
		w.got.bounds = bounds
		for _, f := range []dlq.Filter{
			{}, dlq.All, {Group: "shop"}, {Groups: []string{"bi", "shop", "bi"}}, {Group: "shop", Subscriber: "mail"},
			{Subscriber: "mail"}, {Group: "bi", Type: "order.created"}, {Group: "bi", Type: "order.*"}, {Group: "bi", Reason: dlq.Timeout},
			{Group: "bi", Subscriber: "mailer", Reason: dlq.Panic, Type: "order.created"}, {Groups: []string{"bi", "shop"}, Reason: dlq.Panic},
			{Group: "shop", After: at.Add(500 * time.Microsecond), Before: at.Add(900 * time.Microsecond)},
			{Groups: []string{"bi", "shop"}, After: at.Add(time.Millisecond), Before: at.Add(7 * time.Millisecond)},
			{Group: "shop", After: at.Add(time.Hour)}, {Group: "shop", Before: time.Unix(-5, 0)},
			{Group: "bi", Text: "E-3"}, {Text: "TOTAL"}, {Group: "bi", AggregateID: "o-3"}, {Group: "bi", AggregateType: "order"},
			{Group: "bi", TenantID: "t"}, {Type: "order.created", Text: "e-1"}, {IDs: []string{"000003", "000009", "000002"}, Group: "bi"},
		} {
			n := len(w.ListAll(f, 3))
			require.Len(t, w.ListAll(f, 1000), n)
			require.Equal(t, n, w.Count(f), "%+v", f)
		}
	}
	w.Remove(w.ListAll(dlq.Filter{Group: "bi"}, 7)...)
	require.Len(t, w.ListAll(dlq.Filter{}, 7), 18)
	w.Remove(w.ListAll(dlq.Filter{}, 7)...)
	require.Empty(t, w.ListAll(dlq.Filter{}, 7))
}

// TestOneCallOfPageIsBounded: it returns what there is, and goes on where it ended.
func TestOneCallOfPageIsBounded(t *testing.T) {
	w := newLetterTwins(t, realBroker(t))
	w.fill(50)
	w.got.bounds.chunk, w.got.bounds.chunks = 10, 3
	rare := dlq.Filter{Text: "e-49"}
	p, err := w.got.Page(t.Context(), rare, "", 50)
	require.NoError(t, err)
	require.Empty(t, p.Letters)
	require.NotEmpty(t, p.Next)
	require.Equal(t, []string{"000049"}, w.ListAll(rare, 50))
	w.got.bounds.bytes = 1
	p, err = w.got.Page(t.Context(), dlq.Filter{}, "", 50)
	require.NoError(t, err)
	require.Len(t, p.Letters, 3, "a letter for each chunk, as one is more than the bytes")
	require.Len(t, w.ListAll(dlq.Filter{}, 50), 50)
}
