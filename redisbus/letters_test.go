package redisbus

import (
	"fmt"
	"math"
	"reflect"
	"slices"
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
			again.Subscriber = "other"
			w.Put(lettertwins.Letter(0))
			w.Put(again)
			w.Put(lettertwins.Letter(1))
			require.Equal(w.t, []string{"000000", "000001"}, w.ListAll(dlq.Filter{}, 9))
			require.Zero(w.t, w.Count(dlq.Filter{Group: "shop", Subscriber: "other"}))
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
		"a listing by time ends where it began": func(w *letterTwins) {
			w.fill(10)
			got := w.List(dlq.Filter{Group: "shop", After: lettertwins.Letter(7).LastFailure}, 2, func() {
				l := lettertwins.Letter(10)
				l.LastFailure = lettertwins.Letter(9).LastFailure
				w.Put(l)
			})
			require.Equal(w.t, []string{"000007", "000008", "000009"}, lettertwins.IDs(got))
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
			w.Pass(time.Minute - time.Second)
			require.ErrorIs(w.t, w.Take("000000", time.Minute), dlq.ErrTaken)
			require.Len(w.t, w.ListAll(dlq.Filter{}, 9), 1, "taken letters are listed")
			w.Pass(time.Second)
			require.NoError(w.t, w.Take("000000", time.Minute))
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
			require.NoError(w.t, w.Take("000000", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachServer(t, func(t *testing.T, s testServer) { does(newLetterTwins(t, s)) })
		})
	}
}

func (w *letterTwins) fill(n int) {
	for i := range n {
		w.Put(lettertwins.Letter(i))
	}
}

// TestLettersAreFoundByWhatIsAskedFor: every section, alone and narrowed by others, also
// where a call looks at few letters at a time.
func TestLettersAreFoundByWhatIsAskedFor(t *testing.T) {
	onEachServer(t, func(t *testing.T, server testServer) {
		w := newLetterTwins(t, server)
		at := lettertwins.Letter(0).LastFailure
		for i := range 36 {
			l := lettertwins.Letter(i)
			l.Group, l.Subscriber = []string{"shop", "bi"}[i%2], []string{"mailer", "biller", "mail"}[i%3]
			l.Reason = []dlq.Reason{dlq.Panic, dlq.Timeout}[i/9%2]
			l.LastFailure = at.Add(time.Duration(i/2) * 400 * time.Microsecond)
			w.Put(l)
		}
		for _, bounds := range []letterBounds{w.got.bounds, {chunk: 4, remove: 3, bytes: 1500, chunks: 2}} {
			w.got.bounds = bounds
			for _, f := range []dlq.Filter{
				{}, dlq.All, {Group: "shop"}, {Groups: []string{"shop"}}, {Groups: []string{"bi", "shop", "bi"}}, {Group: "shop", Subscriber: "mail"},
				{Subscriber: "mail"}, {Group: "bi", Type: "order.created"}, {Group: "bi", Type: "order.*"}, {Group: "bi", Reason: dlq.Timeout},
				{Group: "bi", Subscriber: "mailer", Reason: dlq.Panic, Type: "order.created"}, {Groups: []string{"bi", "shop"}, Reason: dlq.Panic},
				{Group: "shop", After: at.Add(2 * time.Millisecond)}, {Group: "shop", Before: at.Add(2 * time.Millisecond)},
				{Group: "shop", After: at.Add(500 * time.Microsecond), Before: at.Add(900 * time.Microsecond)},
				{Group: "shop", After: at.Add(700 * time.Microsecond), Before: at.Add(900 * time.Microsecond)}, // within one of the index
				{Group: "shop", After: at.Add(900 * time.Microsecond), Before: at.Add(5100 * time.Microsecond)},
				{Groups: []string{"bi", "shop"}, After: at.Add(time.Millisecond), Before: at.Add(7 * time.Millisecond)},
				{Group: "shop", After: at.Add(time.Hour)}, {Group: "shop", After: at.Add(2), Before: at.Add(1)}, {Group: "shop", Before: time.Unix(-5, 0)},
				{After: at.Add(time.Millisecond)}, {Group: "bi", Text: "E-3"}, {Group: "bi", AggregateID: "o-3"}, {Group: "bi", AggregateType: "order"},
				{Group: "bi", TenantID: "t"}, {Group: "bi", Type: "order.created", Text: "e-1"}, {IDs: []string{"000003", "000009", "000002"}, Group: "bi"},
			} {
				n := len(w.ListAll(f, 3))
				require.Len(t, w.ListAll(f, 1000), n)
				require.Equal(t, n, w.Count(f), "%+v", f)
			}
		}
		w.Remove(w.ListAll(dlq.Filter{Group: "bi"}, 7)...)
		require.Len(t, w.ListAll(dlq.Filter{}, 7), 18)
		w.Remove(w.ListAll(dlq.Filter{}, 7)...)
		require.Equal(t, map[string]any{"{" + server.prefix + ":dlq}:seq": "36"}, server.dump(t), "nothing is left of a letter")
	})
}

// TestTheSmallestSectionIsWalked: what a listing reads is bounded by it.
func TestTheSmallestSectionIsWalked(t *testing.T) {
	onEachServer(t, func(t *testing.T, server testServer) {
		w := newLetterTwins(t, server)
		for i := range 40 {
			l := lettertwins.Letter(i)
			l.Subscriber = []string{"mailer", "biller"}[i%2]
			l.Reason = []dlq.Reason{dlq.Panic, dlq.Timeout}[i%4/3]
			w.Put(l)
		}
		at := lettertwins.Letter(35).LastFailure
		for _, c := range []struct {
			f    dlq.Filter
			want letterKind
		}{
			{dlq.Filter{}, everyLetter},
			{dlq.Filter{Groups: []string{"a", "b"}, Reason: dlq.Panic}, everyLetter},
			{dlq.Filter{Group: "shop", Text: "x"}, byGroup},
			{dlq.Filter{Group: "shop", Type: "order.*"}, byGroup},
			{dlq.Filter{Group: "shop", Type: "order.created"}, byType},
			{dlq.Filter{Group: "shop", Type: "order.created", Subscriber: "biller"}, bySubscriber},
			{dlq.Filter{Group: "shop", Type: "order.created", Subscriber: "biller", Reason: dlq.Timeout}, byReason},
			{dlq.Filter{Group: "shop", Subscriber: "biller", After: at}, byTime},
			{dlq.Filter{Group: "shop", Reason: dlq.Timeout, After: lettertwins.Letter(34).LastFailure}, byReason},
			{dlq.Filter{Group: "shop", After: lettertwins.Letter(1).LastFailure}, byGroup},
			{dlq.Filter{Group: "shop", IDs: []string{"000001"}, Reason: dlq.Timeout}, byID},
		} {
			walk, err := w.got.begin(t.Context(), c.f, "")
			require.NoError(t, err)
			require.Equal(t, c.want, walk.section.kind, "%c, %+v", walk.section.kind, c.f)
		}
	})
}

// TestEveryConditionCounts: also one that is added to the filter later, or Count would take
// a section for the answer.
func TestEveryConditionCounts(t *testing.T) {
	require.Zero(t, letterConditions(&dlq.Filter{Group: "a", Groups: []string{"a"}}))
	for i := range reflect.TypeFor[dlq.Filter]().NumField() {
		field := reflect.TypeFor[dlq.Filter]().Field(i)
		if !field.IsExported() || slices.Contains([]string{"Group", "Groups"}, field.Name) {
			continue
		}
		var f dlq.Filter
		switch v := reflect.ValueOf(&f).Elem().Field(i); v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Slice:
			v.Set(reflect.ValueOf([]string{"x"}))
		default:
			v.Set(reflect.ValueOf(time.Now()))
		}
		require.Equal(t, 1, letterConditions(&f), field.Name)
	}
}

// TestOneCallOfPageIsBounded: it returns what there is, and goes on where it ended.
func TestOneCallOfPageIsBounded(t *testing.T) {
	onEachServer(t, func(t *testing.T, server testServer) {
		w := newLetterTwins(t, server)
		w.fill(100)
		w.got.bounds = letterBounds{chunk: 10, remove: 7, bytes: 1 << 20, chunks: 3}
		rare := dlq.Filter{Text: "e-99"}
		p, err := w.got.Page(t.Context(), rare, "", 50)
		require.NoError(t, err)
		require.Empty(t, p.Letters)
		require.NotEmpty(t, p.Next)
		require.Equal(t, []string{"000099"}, w.ListAll(rare, 50))
		w.got.bounds.bytes = 1
		p, err = w.got.Page(t.Context(), dlq.Filter{}, "", 50)
		require.NoError(t, err)
		require.Len(t, p.Letters, 3, "a letter for each chunk, as one is more than the bytes")
		ids := make([]string, 20)
		for i := range ids {
			ids[i] = fmt.Sprintf("%06d", i)
		}
		p, err = w.got.Page(t.Context(), dlq.Filter{IDs: ids}, "", 50)
		require.NoError(t, err)
		require.Len(t, p.Letters, 3, "as above")
		heads, err := w.got.heads(t.Context(), ids)
		require.NoError(t, err)
		require.Len(t, heads, 1)
		n, done, err := w.got.remove(t.Context(), []string{"none", "000020", "000021"})
		require.NoError(t, err)
		require.Equal(t, []int{1, 2}, []int{n, done})
		require.Len(t, w.ListAll(dlq.Filter{IDs: ids}, math.MaxInt), 20)
		require.Equal(t, 20, w.Remove(ids...))
	})
}
