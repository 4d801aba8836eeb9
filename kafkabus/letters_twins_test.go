package kafkabus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// letterTwins are a store in memory and one in Kafka, to which the same is done: each call
// must have the same result on both.
type letterTwins struct {
	t    testing.TB
	now  time.Time // of the memory, in which no time passes
	want *dlq.MemoryStore
	got  *letterStore
}

func newLetterTwins(t testing.TB, b *testBroker) *letterTwins {
	w := &letterTwins{t: t, now: time.Unix(0, 0), got: b.store()}
	w.want = dlq.NewMemoryStore(dlq.MemoryOptions{Now: func() time.Time { return w.now }})
	return w
}

func isError(err, target error) bool { return errors.Is(err, target) }

func (w *letterTwins) same(want, got error, what ...any) {
	w.t.Helper()
	for _, sentinel := range []error{dlq.ErrNotFound, dlq.ErrTaken, dlq.ErrFull, eventbus.ErrInvalid} {
		if want != nil {
			require.Equal(w.t, isError(want, sentinel), isError(got, sentinel), "%v: %v, %v", what, want, got)
		}
	}
	require.Equal(w.t, want == nil, got == nil, "%v: %v, %v", what, want, got)
}

func (w *letterTwins) put(l dlq.Letter) {
	w.t.Helper()
	w.same(w.want.Put(w.t.Context(), l), w.got.Put(w.t.Context(), l), "put", l.ID)
}

func (w *letterTwins) take(id string, lease time.Duration) error {
	w.t.Helper()
	want, err := w.want.Take(w.t.Context(), id, lease)
	got, gotErr := w.got.Take(w.t.Context(), id, lease)
	w.same(err, gotErr, "take", id)
	require.Equal(w.t, want, got)
	return gotErr
}

func (w *letterTwins) release(id string) {
	w.t.Helper()
	w.same(w.want.Release(w.t.Context(), id), w.got.Release(w.t.Context(), id), "release", id)
}

func (w *letterTwins) remove(ids ...string) int {
	w.t.Helper()
	want, err := w.want.Remove(w.t.Context(), ids...)
	got, gotErr := w.got.Remove(w.t.Context(), ids...)
	w.same(err, gotErr, "remove", ids)
	require.Equal(w.t, want, got, "remove %v", ids)
	return got
}

func (w *letterTwins) count(f dlq.Filter) int {
	w.t.Helper()
	want, err := w.want.Count(w.t.Context(), f)
	got, gotErr := w.got.Count(w.t.Context(), f)
	w.same(err, gotErr, "count", f)
	require.Equal(w.t, want, got, "count %+v", f)
	return got
}

// list goes through all pages, and does something after each, which changes the same in both
// where their pages are the same ones.
func (w *letterTwins) list(f dlq.Filter, limit int, between func()) []dlq.Letter {
	w.t.Helper()
	var want, got []dlq.Letter
	wantNext, gotNext := "", ""
	for first := true; first || wantNext+gotNext != ""; first = false {
		if first || wantNext != "" {
			p, err := w.want.Page(w.t.Context(), f, wantNext, limit)
			require.NoError(w.t, err)
			want, wantNext = append(want, p.Letters...), p.Next
		}
		if first || gotNext != "" {
			p, err := w.got.Page(w.t.Context(), f, gotNext, limit)
			require.NoError(w.t, err)
			require.LessOrEqual(w.t, len(p.Letters), limit)
			got, gotNext = append(got, p.Letters...), p.Next
		}
		between()
	}
	require.Equal(w.t, letterIDs(want), letterIDs(got), "list %+v", f)
	require.Equal(w.t, want, got, "list %+v", f)
	return got
}

func (w *letterTwins) listAll(f dlq.Filter, limit int) []string {
	w.t.Helper()
	return letterIDs(w.list(f, limit, func() {}))
}

func letterIDs(letters []dlq.Letter) []string {
	out := []string{}
	for _, l := range letters {
		out = append(out, l.ID)
	}
	return out
}

// testLetter makes the nth letter of shop.mailer, with an event that can be read.
func testLetter(n int) dlq.Letter {
	at := time.Unix(1_700_000_000+int64(n), 123456789).UTC()
	e := eventbus.NewRaw("order.created", fmt.Sprint("o-", n%10), "application/json", []byte(`{"total":7}`)).WithID(fmt.Sprint("e-", n)).WithTime(at)
	e.Source = "/shop"
	return withEvent(dlq.Letter{
		ID: fmt.Sprintf("%06d", n), Group: "shop", Subscriber: "mailer", Reason: dlq.HandlerError, Errors: []string{"no"},
		Attempts: 5, FirstFailure: at.Add(-time.Minute), LastFailure: at, BuriedAt: at.Add(1), Origin: "order/0/1-1", Topic: "order",
	}, e)
}

// withEvent puts the event into the letter, as it is read back.
func withEvent(l dlq.Letter, e eventbus.DomainEvent) dlq.Letter {
	header, body := wire.Encode(&e)
	decoded, err := wire.Decode(header, body)
	if err != nil {
		panic(err)
	}
	l.Event, l.Body, l.Headers = decoded, body, nil
	for _, h := range header {
		l.Headers = append(l.Headers, dlq.Header{Name: h.Name, Value: h.Value})
	}
	l.EventID, l.Type, l.AggregateType, l.AggregateID, l.TenantID = e.ID, e.Type, e.AggregateType, e.AggregateID, e.TenantID
	return l
}

func encoded(t testing.TB, l *dlq.Letter) []byte {
	b, err := letterline.Encode(l)
	require.NoError(t, err)
	return b
}
