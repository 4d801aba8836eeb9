package kafkabus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestAForeignMessageByteForByte: headers of any bytes, and a body of all; larger than brokers take
// where nothing is said.
func TestAForeignMessageByteForByte(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	l := lettertwins.Letter(1)
	l.Event, l.EventID = eventbus.DomainEvent{}, "" // it could not be read
	l.Body = make([]byte, 1<<20)
	for i := range l.Body {
		l.Body[i] = byte(i)
	}
	l.Headers = []dlq.Header{
		{Name: "\xff", Value: "\x00\xfe"}, {Name: "", Value: ""}, {Name: "same", Value: "1"}, {Name: "same", Value: "2"},
		{Name: strings.Repeat("k", 300), Value: strings.Repeat("ü", 70_000)},
	}
	l.Errors, l.Stack, l.Origin = []string{"line\nline", "\xff"}, "\n", "queue\x00"
	require.NoError(t, s.Put(t.Context(), l))
	for _, store := range []*letterStore{s, b.another()} {
		got, err := store.Take(t.Context(), l.ID, 0)
		require.NoError(t, err)
		require.Equal(t, l, got)
		require.Equal(t, []string{l.ID}, b.list(store, dlq.Filter{Text: "\x01\x02\x03"}, 3))
	}
	small := lettertwins.Letter(2)
	require.NoError(t, s.Put(t.Context(), small))
	require.Equal(t, []string{l.ID, small.ID}, b.list(b.another(), dlq.Filter{}, 1))
}

// TestTimesHaveNoClockOfTheProcess: they come back to the nanosecond, in UTC.
func TestTimesHaveNoClockOfTheProcess(t *testing.T) {
	s := realBroker(t).store()
	l := lettertwins.Letter(1)
	now := time.Now().In(time.FixedZone("here", 3600))
	l.FirstFailure, l.LastFailure, l.BuriedAt = now, now.Add(1), time.Time{}
	require.NoError(t, s.Put(t.Context(), l))
	got, err := s.Take(t.Context(), l.ID, time.Minute)
	require.NoError(t, err)
	l.FirstFailure, l.LastFailure = now.Round(0).UTC(), now.Add(1).Round(0).UTC()
	require.Equal(t, l, got)
}

func TestLettersRefuse(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.fill(s, 3)
	p, err := s.Page(t.Context(), dlq.Filter{}, "", 1)
	require.NoError(t, err)
	mailer := hashGroup("shop.mailer")
	for _, bad := range []string{
		"x", "%%%", p.Next + "\n", p.Next[1:], letterCursor{{mailer, span{1, 99}}}.String(),
		letterCursor{{mailer, span{3, 2}}}.String(), letterCursor{{2, span{0, 1}}, {1, span{0, 1}}}.String(),
	} {
		_, err := s.Page(t.Context(), dlq.Filter{}, bad, 1)
		var wrong *eventbus.ValidationError
		require.ErrorAs(t, err, &wrong, bad)
		require.Equal(t, "cursor", wrong.Field)
	}
	_, err = s.Page(t.Context(), dlq.Filter{}, "", 0)
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	_, err = s.Take(t.Context(), lettertwins.Letter(0).ID, time.Hour)
	require.ErrorIs(t, err, eventbus.ErrInvalid, "a lease that is longer than what all processes can read")
	good := lettertwins.Letter(4)
	for _, spoil := range []func(*dlq.Letter){
		func(l *dlq.Letter) { l.Group = "a\x00b" }, func(l *dlq.Letter) { l.ID = "\xff" }, func(l *dlq.Letter) { l.Type = "\xff" },
		func(l *dlq.Letter) { l.ID = "" }, func(l *dlq.Letter) { l.ID = "a\x00b" }, func(l *dlq.Letter) { l.Group = "ü" },
		func(l *dlq.Letter) { l.Group = "" }, func(l *dlq.Letter) { l.Group = "a.b" }, func(l *dlq.Letter) { l.Subscriber = "" },
		func(l *dlq.Letter) { l.Subscriber = strings.Repeat("a", 255) },
		func(l *dlq.Letter) { l.Subscriber, l.Group = strings.Repeat("a", 150), strings.Repeat("b", 100) },
	} {
		l := good
		spoil(&l)
		require.ErrorIs(t, s.Put(t.Context(), l), eventbus.ErrInvalid)
	}
	require.Empty(t, b.list(s, dlq.Filter{Group: "shop", Subscriber: strings.Repeat("a", 255)}, 1))
	require.Empty(t, b.list(s, dlq.Filter{Group: "shop\x00", Subscriber: "mailer"}, 1))
	huge := lettertwins.Letter(5)
	huge.Body = make([]byte, s.client.options.keptBytes())
	err = s.Put(t.Context(), huge)
	require.ErrorIs(t, err, eventbus.ErrTooLarge)
	require.ErrorContains(t, err, `kafkabus: store letter "000005" of shop.mailer: `)
}

// TestWhatOthersWriteIsPassedOver, and told.
func TestWhatOthersWriteIsPassedOver(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	b.fill(s, 1)
	err := b.client.append(t.Context(), s.names.letters("shop.mailer"),
		record{key: []byte("x"), value: []byte("no letter")}, record{key: []byte("y\x00z"), value: []byte("no claim")},
		record{key: []byte("w"), value: []byte{}, header: headersOf(headerStored, "no time")})
	require.NoError(t, err)
	require.Equal(t, []string{"000000"}, b.list(s, dlq.Filter{}, 9))
	require.NoError(t, s.Put(t.Context(), lettertwins.Letter(1)))
	require.Equal(t, []string{"000000", "000001"}, b.list(b.another(), dlq.Filter{}, 9))
}

// TestAClosedStore does nothing any more.
func TestAClosedStore(t *testing.T) {
	s := newLetterStore(testClient(t, Options{Brokers: []string{silent(t)}}), letterOptions{})
	require.NoError(t, s.close(t.Context()))
	require.NoError(t, s.close(t.Context()))
	for what, call := range eachCall(s) {
		require.ErrorIs(t, call(t.Context()), eventbus.ErrClosed, what)
	}
}

// eachCall is everything that a store can do.
func eachCall(s *letterStore) map[string]func(context.Context) error {
	page := func(f dlq.Filter) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.Page(ctx, f, "", 9)
			return err
		}
	}
	return map[string]func(context.Context) error{
		"put":         func(ctx context.Context) error { return s.Put(ctx, lettertwins.Letter(0)) },
		"page":        page(dlq.Filter{}),
		"page of one": page(dlq.Filter{Group: "shop", Subscriber: "mailer"}),
		"count": func(ctx context.Context) error {
			_, err := s.Count(ctx, dlq.Filter{})
			return err
		},
		"take": func(ctx context.Context) error {
			_, err := s.Take(ctx, "000000", time.Minute)
			return err
		},
		"remove": func(ctx context.Context) error {
			_, err := s.Remove(ctx, "000000")
			return err
		},
		"release": func(ctx context.Context) error { return s.Release(ctx, "000000") },
		"join":    func(ctx context.Context) error { return s.join(ctx, "shop.mailer") },
		"forget":  func(ctx context.Context) error { return s.forget(ctx, "shop.mailer") },
	}
}

// FuzzLetterCursor: a cursor comes from outside.
func FuzzLetterCursor(f *testing.F) {
	for _, c := range []letterCursor{{{1, span{0, 1}}}, {{1, span{7, 9}}, {1 << 63, span{1 << 61, 1 << 62}}}} {
		text := c.String()
		f.Add(text)
		f.Add(text[:len(text)-1] + string(text[len(text)-1]+1)) // the last bits are none of the cursor's
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseLetterCursor(text)
		if err != nil {
			require.Nil(t, c)
			return
		}
		require.NotEmpty(t, c)
		require.Equal(t, text, c.String())
		for _, x := range c {
			require.Less(t, x.first, x.last)
		}
	})
}
