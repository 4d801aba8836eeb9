package rabbitbus

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestAForeignMessageByteForByte: headers of any bytes, and a body of all.
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
		{Name: "x-death", Value: "[map[count:3]]"}, {Name: "\xff", Value: "\x00\xfe"}, {Name: "", Value: ""},
		{Name: "same", Value: "1"}, {Name: "same", Value: "2"}, {Name: strings.Repeat("k", 300), Value: strings.Repeat("ü", 70_000)},
	}
	l.Errors, l.Stack, l.Origin = []string{"line\nline", "\xff"}, "\n", "queue\x00"
	require.NoError(t, s.Put(t.Context(), l))
	for _, store := range []*letterStore{s, b.store()} {
		b.compacted(s)
		got, err := store.Take(t.Context(), l.ID, 0)
		require.NoError(t, err)
		require.Equal(t, l, got)
	}
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
	w := newLetterTwins(t, realBroker(t))
	w.fill(3)
	s := w.got
	p, err := s.Page(t.Context(), dlq.Filter{}, "", 1)
	require.NoError(t, err)
	mailer := hashGroup("shop.mailer")
	for _, bad := range []string{
		"x", "%%%", p.Next + "\n", p.Next[1:], letterCursor{{mailer, letterPlace{0, 1}, letterPlace{0, 99}}}.String(),
		letterCursor{{mailer, letterPlace{0, 3}, letterPlace{0, 2}}}.String(), letterCursor{{2, letterPlace{}, letterPlace{1, 1}}, {1, letterPlace{}, letterPlace{1, 1}}}.String(),
	} {
		_, err := s.Page(t.Context(), dlq.Filter{}, bad, 1)
		var wrong *eventbus.ValidationError
		require.ErrorAs(t, err, &wrong, bad)
		require.Equal(t, "cursor", wrong.Field)
	}
	_, err = s.Page(t.Context(), dlq.Filter{}, "", 0)
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	good := lettertwins.Letter(4)
	for _, spoil := range []func(*dlq.Letter){
		func(l *dlq.Letter) { l.Group = "a\x00b" }, func(l *dlq.Letter) { l.ID = "\xff" }, func(l *dlq.Letter) { l.Type = "\xff" },
		func(l *dlq.Letter) { l.Group = "" }, func(l *dlq.Letter) { l.Group = "a.b" }, func(l *dlq.Letter) { l.Subscriber = "" },
		func(l *dlq.Letter) { l.Subscriber = strings.Repeat("a", 255) },
	} {
		l := good
		spoil(&l)
		require.ErrorIs(t, s.Put(t.Context(), l), eventbus.ErrInvalid)
	}
	require.Empty(t, w.ListAll(dlq.Filter{Group: "shop", Subscriber: strings.Repeat("a", 255)}, 1))
	require.Empty(t, w.ListAll(dlq.Filter{Group: "shop\x00", Subscriber: "mailer"}, 1))
}

// FuzzLetterValue: whatever a letter holds is read back as it was.
func FuzzLetterValue(f *testing.F) {
	f.Add("shop", "no", "a", "b", []byte("\n"))
	f.Add("", "\xff", "\x00", "\xfe\u2028", []byte(nil))
	f.Fuzz(func(t *testing.T, group, text, name, value string, body []byte) {
		if !utf8.ValidString(group) {
			return // Put refuses it
		}
		l := dlq.Letter{
			ID: "1", Group: group, Errors: []string{text, name}, Stack: text, Origin: name, Topic: value, AggregateID: value, TenantID: name,
			Headers: []dlq.Header{{Name: name, Value: value}, {Name: value, Value: text}}, Body: body,
		}
		given := l
		record, err := letterline.Encode(&l)
		require.NoError(t, err)
		require.Equal(t, given, l)
		got, err := letterline.Decode(record)
		require.NoError(t, err)
		if len(body) == 0 {
			l.Body = nil
		}
		require.Equal(t, l, got.Letter)
		e, err := newLetterEntry(letterPlace{1, 2}, &amqp.Delivery{Body: record})
		require.NoError(t, err)
		head := e.Letter("a.b")
		require.Equal(t, []string{l.ID, l.AggregateID, l.TenantID}, []string{head.ID, head.AggregateID, head.TenantID})
		require.True(t, l.LastFailure.Equal(head.LastFailure))
	})
}

// FuzzLetterCursor: a cursor comes from outside.
func FuzzLetterCursor(f *testing.F) {
	for _, c := range []letterCursor{
		{{1, letterPlace{}, letterPlace{0, 1}}}, {{1, letterPlace{0, 7}, letterPlace{1, 0}}, {1 << 63, letterPlace{1 << 62, 9}, letterPlace{1 << 62, 300}}},
	} {
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
			require.True(t, x.at.before(x.end))
		}
	})
}

// TestWhatStandsOnANodeThatIsDown is not taken for gone: it would be given up.
func TestWhatStandsOnANodeThatIsDown(t *testing.T) {
	say := func(text string) error { return &amqp.Error{Code: amqp.NotFound, Reason: text, Server: true} }
	require.True(t, missing(say("NOT_FOUND - no queue 'x' in vhost '/'")))
	require.True(t, missing(say("NOT_FOUND - no exchange 'x' in vhost '/'")))
	require.False(t, missing(say("NOT_FOUND - home node 'rabbit@b' of durable queue 'x' in vhost '/' is down or inaccessible")))
}
