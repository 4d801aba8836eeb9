// Package lettertwins is for tests of stores of dead letters: the same is done to a store and to one in
// memory, and must have the same results.
package lettertwins

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// T is what is used of a test.
type T interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
}

// Twins are a store in memory and another one. Each call does the same to both, and fails the test where they
// differ.
type Twins struct {
	Want *dlq.MemoryStore
	Got  dlq.Store
	// Loose means that letters which are asked for by time may come in another order.
	Loose bool
	t     T
	now   time.Time // of the memory
}

// New makes twins of a store that is empty.
func New(t T, got dlq.Store) *Twins {
	w := &Twins{t: t, Got: got, now: time.Unix(0, 0)}
	w.Want = dlq.NewMemoryStore(dlq.MemoryOptions{Now: func() time.Time { return w.now }})
	return w
}

// Pass lets time pass in the memory.
func (w *Twins) Pass(d time.Duration) { w.now = w.now.Add(d) }

func (w *Twins) same(want, got error, what ...any) {
	w.t.Helper()
	differ := (want == nil) != (got == nil)
	for _, sentinel := range []error{dlq.ErrNotFound, dlq.ErrTaken, dlq.ErrFull, eventbus.ErrInvalid} {
		differ = differ || want != nil && errors.Is(want, sentinel) != errors.Is(got, sentinel)
	}
	if differ {
		w.t.Fatalf("%v: %v in memory, and %v", what, want, got)
	}
}

func (w *Twins) equal(want, got any, what ...any) {
	w.t.Helper()
	if !reflect.DeepEqual(want, got) {
		w.t.Fatalf("%v:\n%+v in memory, and\n%+v", what, want, got)
	}
}

// Put stores a letter.
func (w *Twins) Put(l dlq.Letter) {
	w.t.Helper()
	w.same(w.Want.Put(w.t.Context(), l), w.Got.Put(w.t.Context(), l), "put", l.ID)
}

// Take leases a letter.
func (w *Twins) Take(id string, lease time.Duration) error {
	w.t.Helper()
	want, err := w.Want.Take(w.t.Context(), id, lease)
	got, gotErr := w.Got.Take(w.t.Context(), id, lease)
	w.same(err, gotErr, "take", id)
	w.equal(want, got, "take", id)
	return gotErr
}

// Release ends a lease.
func (w *Twins) Release(id string) {
	w.t.Helper()
	w.same(w.Want.Release(w.t.Context(), id), w.Got.Release(w.t.Context(), id), "release", id)
}

// Remove deletes letters, and returns how many there were.
func (w *Twins) Remove(ids ...string) int {
	w.t.Helper()
	want, err := w.Want.Remove(w.t.Context(), ids...)
	got, gotErr := w.Got.Remove(w.t.Context(), ids...)
	w.same(err, gotErr, "remove", ids)
	w.equal(want, got, "remove", ids)
	return got
}

// Count counts letters.
func (w *Twins) Count(f dlq.Filter) int {
	w.t.Helper()
	want, err := w.Want.Count(w.t.Context(), f)
	got, gotErr := dlq.Count(w.t.Context(), w.Got, f)
	w.same(err, gotErr, "count", f)
	w.equal(want, got, "count", f)
	return got
}

// List goes through all pages, and does something after each, which changes the same in both
// where their pages are the same ones.
func (w *Twins) List(f dlq.Filter, limit int, between func()) []dlq.Letter {
	w.t.Helper()
	var want, got []dlq.Letter
	wantNext, gotNext := "", ""
	page := func(s dlq.Store, letters *[]dlq.Letter, next *string) {
		p, err := s.Page(w.t.Context(), f, *next, limit)
		if err != nil || len(p.Letters) > limit {
			w.t.Fatalf("list %+v: %d letters where %d are allowed: %v", f, len(p.Letters), limit, err)
		}
		*letters, *next = append(*letters, p.Letters...), p.Next
	}
	for first := true; first || wantNext+gotNext != ""; first = false {
		if first || wantNext != "" {
			page(w.Want, &want, &wantNext)
		}
		if first || gotNext != "" {
			page(w.Got, &got, &gotNext)
		}
		between()
	}
	if w.Loose && (!f.After.IsZero() || !f.Before.IsZero()) {
		for _, letters := range [][]dlq.Letter{want, got} {
			slices.SortFunc(letters, func(a, b dlq.Letter) int { return cmp.Compare(a.ID, b.ID) })
		}
	}
	w.equal(IDs(want), IDs(got), "list", f)
	w.equal(want, got, "list", f)
	return got
}

// ListAll returns the IDs of what is listed.
func (w *Twins) ListAll(f dlq.Filter, limit int) []string {
	w.t.Helper()
	return IDs(w.List(f, limit, func() {}))
}

// IDs are those of the letters.
func IDs(letters []dlq.Letter) []string {
	out := []string{}
	for i := range letters {
		out = append(out, letters[i].ID)
	}
	return out
}
