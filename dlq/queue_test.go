package dlq

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// bound makes a queue of the group shop.
func bound(s Store, send func(context.Context, Letter) error) *Queue {
	if send == nil {
		send = func(context.Context, Letter) error { return nil }
	}
	return made(Config{Store: s, Groups: func() []string { return []string{"shop"} }, Send: send})
}

// made makes a queue of a good configuration.
func made(c Config) *Queue {
	q, err := NewQueue(c)
	if err != nil {
		panic(err)
	}
	return q
}

// foreign is a letter of another service in the same store.
func foreign() Letter {
	l := letter(0)
	l.ID, l.Group = "foreign", "bank"
	return l
}

// plain hides what a store can do beyond Store.
type plain struct{ Store }

func collect(t *testing.T, q *Queue, f Filter) []string {
	t.Helper()
	var out []Letter
	for l, err := range q.List(t.Context(), f) {
		require.NoError(t, err)
		out = append(out, l)
	}
	return ids(out)
}

func TestQueueListCountGet(t *testing.T) {
	s := filled(t, 250)
	require.NoError(t, s.Put(t.Context(), foreign()))
	for _, q := range []*Queue{bound(s, nil), bound(plain{s}, nil)} {
		require.Len(t, collect(t, q, Filter{}), 250)
		require.Equal(t, []string{"000007", "000017"}, collect(t, q, Filter{AggregateID: "o-7"})[:2])
		n, err := q.Count(t.Context(), Filter{AggregateID: "o-7"})
		require.NoError(t, err)
		require.Equal(t, 25, n)
		l, err := q.Get(t.Context(), "000249")
		require.NoError(t, err)
		require.Equal(t, letter(249), l)
	}
	for range bound(s, nil).List(t.Context(), Filter{}) {
		break
	}
	_, err := bound(s, nil).Get(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrNotFound)
	require.EqualError(t, err, "eventbus: dead letters: get nobody: dead letter not found")
	_, err = bound(s, nil).Get(t.Context(), "a\nb"+strings.Repeat("x", 100))
	require.ErrorContains(t, err, `"a\nbxx`)
	require.Less(t, len(err.Error()), 200)
}

func TestQueuePage(t *testing.T) {
	q := bound(filled(t, 1500), nil)
	for limit, want := range map[int]int{0: 100, 1: 1, 1000: 1000, 1e9: 1000} {
		p, err := q.Page(t.Context(), Filter{}, "", limit)
		require.NoError(t, err)
		require.Len(t, p.Letters, want)
		require.NotEmpty(t, p.Next)
	}
	for _, bad := range []func() error{
		func() error { _, err := q.Page(t.Context(), Filter{}, "", -1); return err },
		func() error { _, err := q.Page(t.Context(), Filter{}, "junk", 1); return err },
		func() error { _, err := q.Page(t.Context(), Filter{Reason: "?"}, "", 1); return err },
		func() error { _, err := q.Count(t.Context(), Filter{Type: ".."}); return err },
		func() error { _, err := q.Purge(t.Context(), Filter{Type: ".."}); return err },
		func() error { var none context.Context; _, err := q.Get(none, "x"); return err },
		func() error {
			for _, err := range q.List(t.Context(), Filter{Type: ".."}) {
				return err
			}
			return nil
		},
	} {
		require.ErrorIs(t, bad(), eventbus.ErrInvalid)
		require.ErrorContains(t, bad(), "eventbus: dead letters: ")
	}
}

func TestQueueNeverLooksBeyondItsGroups(t *testing.T) {
	s := filled(t, 3)
	require.NoError(t, s.Put(t.Context(), foreign()))
	none := made(Config{Store: s, Groups: func() []string { return nil }, Send: bound(s, nil).send})
	for _, c := range []struct {
		q *Queue
		f Filter
	}{
		{bound(s, nil), Filter{Group: "bank"}},
		{bound(s, nil), Filter{Groups: []string{"bank"}}},
		{bound(s, nil), Filter{IDs: []string{"foreign"}}},
		{none, All},
	} {
		require.Empty(t, collect(t, c.q, c.f))
		n, err := c.q.Count(t.Context(), c.f)
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = c.q.Purge(t.Context(), c.f)
		require.NoError(t, err)
		require.Zero(t, n)
		p, err := c.q.Page(t.Context(), c.f, "", 0)
		require.NoError(t, err)
		require.Empty(t, p.Letters)
		r, err := c.q.Replay(t.Context(), c.f, ReplayOptions{})
		require.NoError(t, err)
		require.Zero(t, r.Matched)
		n, err = c.q.Discard(t.Context(), "foreign")
		require.NoError(t, err)
		require.Zero(t, n)
		require.ErrorIs(t, c.q.ReplayOne(t.Context(), "foreign", ReplayOptions{}), ErrNotFound)
		_, err = c.q.Get(t.Context(), "foreign")
		require.ErrorIs(t, err, ErrNotFound)
	}
	require.Len(t, collect(t, bound(s, nil), Filter{Groups: []string{"bank", "shop"}}), 3)
	total, err := s.Count(t.Context(), Filter{})
	require.NoError(t, err)
	require.Equal(t, 4, total)
}

func TestQueueDiscard(t *testing.T) {
	s := filled(t, 300)
	require.NoError(t, s.Put(t.Context(), foreign()))
	q := bound(s, nil)
	gone := []string{"unknown", "foreign", "000000", "000000"}
	for i := range 250 {
		gone = append(gone, letter(i).ID)
	}
	n, err := q.Discard(t.Context(), gone...)
	require.NoError(t, err)
	require.Equal(t, 250, n)
	n, err = q.Discard(t.Context(), gone...)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = q.Discard(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Len(t, collect(t, q, Filter{}), 50)
	_, err = s.Take(t.Context(), "foreign", lease)
	require.NoError(t, err)
}

func TestQueuePurge(t *testing.T) {
	s := filled(t, 1000)
	require.NoError(t, s.Put(t.Context(), foreign()))
	q := bound(s, nil)
	_, err := q.Purge(t.Context(), Filter{})
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	require.ErrorContains(t, err, "dlq.All")
	n, err := q.Purge(t.Context(), Filter{AggregateID: "o-3"})
	require.NoError(t, err)
	require.Equal(t, 100, n)
	f := All
	f.AggregateID = "o-4"
	n, err = q.Purge(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, 100, n)
	n, err = q.Purge(t.Context(), All)
	require.NoError(t, err)
	require.Equal(t, 800, n)
	n, err = s.Count(t.Context(), Filter{})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

var errStore = errors.New("store is down")

// broken fails the calls that it names, after the given number of good ones.
type broken struct {
	Store
	call string
	good int
}

func (b *broken) fails(call string) error {
	if call != b.call {
		return nil
	}
	if b.good--; b.good >= 0 {
		return nil
	}
	return errStore
}

func (b *broken) Page(ctx context.Context, f Filter, after string, limit int) (Page, error) {
	if err := b.fails("page"); err != nil {
		return Page{}, err
	}
	return b.Store.Page(ctx, f, after, limit)
}

func (b *broken) Release(ctx context.Context, id string) error {
	if err := b.fails("release"); err != nil {
		return err
	}
	return b.Store.Release(ctx, id)
}

func (b *broken) Remove(ctx context.Context, ids ...string) (int, error) {
	if err := b.fails("remove"); err != nil {
		return 0, err
	}
	return b.Store.Remove(ctx, ids...)
}

func TestQueueWrapsErrorsOfTheStore(t *testing.T) {
	q := bound(&broken{Store: filled(t, 250), call: "page", good: 1}, nil)
	n := 0
	var last error
	for _, err := range q.List(t.Context(), Filter{}) {
		n, last = n+1, err
	}
	require.Equal(t, 101, n)
	require.ErrorIs(t, last, errStore)
	require.ErrorContains(t, last, "eventbus: dead letters: list: ")
	for _, f := range []func() error{
		func() error { _, err := q.Page(t.Context(), Filter{}, "", 1); return err },
		func() error { _, err := q.Get(t.Context(), "x"); return err },
		func() error { _, err := q.Count(t.Context(), Filter{}); return err },
		func() error { _, err := q.Discard(t.Context(), "x"); return err },
		func() error { _, err := q.Replay(t.Context(), All, ReplayOptions{}); return err },
		func() error { return q.ReplayOne(t.Context(), "x", ReplayOptions{}) },
	} {
		require.ErrorIs(t, f(), errStore)
	}
	q = bound(&broken{Store: filled(t, 250), call: "remove", good: 2}, nil)
	n, err := q.Purge(t.Context(), All)
	require.ErrorIs(t, err, errStore)
	require.Equal(t, 200, n)
}

type bus struct{ eventbus.EventBus }

func (b bus) Unwrap() eventbus.EventBus { return b.EventBus }

type holder struct {
	eventbus.EventBus
	q *Queue
}

func (h holder) DeadLetters() *Queue { return h.q }

func TestOf(t *testing.T) {
	want := bound(filled(t, 0), nil)
	got, ok := Of(bus{bus{holder{q: want}}})
	require.True(t, ok)
	require.Same(t, want, got)
	_, ok = Of(bus{})
	require.False(t, ok)
	_, ok = Of(holder{})
	require.False(t, ok)
}

func TestNewQueueSaysAllThatIsMissing(t *testing.T) {
	_, err := NewQueue(Config{MaxReplays: -1})
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	for _, field := range []string{"store", "groups", "send", "max_replays"} {
		require.ErrorContains(t, err, field)
	}
}
