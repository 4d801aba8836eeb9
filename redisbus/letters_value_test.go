package redisbus

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestALetterStandsAsTheDocumentationSays is for those who read it with another program.
func TestALetterStandsAsTheDocumentationSays(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		store := storeOn(s.client, s.prefix)
		l := lettertwins.Letter(1)
		l.Body = []byte("{\n}\x00\xff")
		l.Headers = []dlq.Header{{Name: "a", Value: "b"}, {Name: "redis-field-x", Value: "\xff"}}
		require.NoError(t, store.Put(t.Context(), l))
		root := "{" + s.prefix + ":dlq}"
		n := "0000000000000001"
		value := s.client.HGet(t.Context(), root, l.ID).Val()
		parts := strings.SplitN(value, "\n", 3)
		require.Len(t, parts, 3)
		require.Equal(t, n, parts[0])
		require.Equal(t, string(l.Body), parts[2])
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(parts[1]), &line))
		require.NotContains(t, line, "body")
		require.Equal(t, "shop", line["group"])
		require.Equal(t, "2023-11-14T22:13:21.123456789Z", line["last_failure"])
		require.Equal(t, "0000018bcfe56c63", line["failed"])
		require.Equal(t, map[string]any{"/headers/1/value": "/w=="}, line["base64"])
		tail := "\x00" + n + "\x00" + l.ID
		require.ElementsMatch(t, []string{
			"a" + tail, "g\x00shop" + tail, "s\x00shop\x00mailer" + tail, "t\x00shop\x00order.created" + tail,
			"r\x00shop\x00handler error" + tail, "f\x00shop\x000000018bcfe56c63" + tail,
		}, s.client.ZRange(t.Context(), root+":index", 0, -1).Val())
		require.Equal(t, "1", s.client.Get(t.Context(), root+":seq").Val())
		_, err := store.Take(t.Context(), l.ID, time.Minute)
		require.NoError(t, err)
		lease := s.client.PTTL(t.Context(), root+":lease:"+l.ID).Val()
		require.Greater(t, lease, 50*time.Second)
		require.LessOrEqual(t, lease, time.Minute)
	})
}

// TestTimesHaveNoClockOfTheProcess: they come back to the nanosecond, in UTC.
func TestTimesHaveNoClockOfTheProcess(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		store := storeOn(s.client, s.prefix)
		l := lettertwins.Letter(1)
		now := time.Now().In(time.FixedZone("here", 3600))
		l.FirstFailure, l.LastFailure, l.BuriedAt = now, now.Add(1), time.Time{}
		require.NoError(t, store.Put(t.Context(), l))
		got, err := store.Take(t.Context(), l.ID, time.Minute)
		require.NoError(t, err)
		l.FirstFailure, l.LastFailure = now.Round(0).UTC(), now.Add(1).Round(0).UTC()
		require.Equal(t, l, got)
	})
}

// TestAnUnreadableLetterIsNamed: somebody else has written it.
func TestAnUnreadableLetterIsNamed(t *testing.T) {
	onEachServer(t, func(t *testing.T, s testServer) {
		store := storeOn(s.client, s.prefix)
		for i := range 3 {
			require.NoError(t, store.Put(t.Context(), lettertwins.Letter(i)))
		}
		for _, value := range []string{"x", "0000000000000002\n{\n", "0000000000000002\n{}\n", "000000000000000x\n{}\n"} {
			require.NoError(t, s.client.HSet(t.Context(), "{"+s.prefix+":dlq}", "000001", value).Err())
			if value != "0000000000000002\n{}\n" { // which is a letter without anything
				_, err := store.Page(t.Context(), dlq.Filter{}, "", 9)
				require.ErrorContains(t, err, "redisbus: list letters: letter 000001 cannot be read")
				_, err = store.Take(t.Context(), "000001", time.Second)
				require.ErrorContains(t, err, "redisbus: take letter 000001: letter 000001 cannot be read")
				require.NoError(t, store.Release(t.Context(), "000001"))
			}
			n, err := store.Remove(t.Context(), "000001", "000000")
			require.ErrorContains(t, err, "redisbus: remove letters: letter 000001 cannot be read")
			require.Zero(t, n)
		}
		n, err := store.Remove(t.Context(), "000002", "000001", "000000")
		require.ErrorIs(t, err, errLetterLine)
		require.Equal(t, 1, n)
	})
}

// FuzzLetterValue: whatever a letter holds is read back as it was.
func FuzzLetterValue(f *testing.F) {
	f.Add("shop", "no", "a", "b", []byte("\n"))
	f.Add("", "\xff", "\x00", "\xfe\u2028", []byte(nil))
	f.Fuzz(func(t *testing.T, group, text, name, value string, body []byte) {
		l := dlq.Letter{
			ID: "1", Group: group, Errors: []string{text, name}, Stack: text, Origin: name, Topic: value, AggregateID: value,
			Headers: []dlq.Header{{Name: name, Value: value}, {Name: value, Value: text}}, Body: body,
		}
		given := l
		line, err := encodeLetter(&l)
		if strings.Contains(group, "\x00") || !utf8.ValidString(group) {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, given, l)
		require.NotContains(t, string(line), "\n")
		n, got, err := decodeLetter("1", "00000000000000ff\n"+string(line)+"\n"+string(body))
		require.NoError(t, err)
		require.EqualValues(t, 255, n)
		if len(body) == 0 {
			l.Body = nil
		}
		require.Equal(t, l, got.Letter)
	})
}

// FuzzLetterCursor: a cursor comes from outside.
func FuzzLetterCursor(f *testing.F) {
	for _, c := range []letterCursor{{kind: everyLetter, at: letterPlace{n: 1}, end: 2}, {kind: byTime, at: letterPlace{time: 1 << 63, n: 9}, end: 2}} {
		text := c.String()
		f.Add(text)
		f.Add(text[:len(text)-1] + string(text[len(text)-1]+1)) // the last bits are none of the cursor's
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseLetterCursor(text)
		if err != nil {
			require.Zero(t, c)
			return
		}
		require.Equal(t, text, c.String())
		require.True(t, c.kind == byTime || c.at.time == 0 && c.at.n <= c.end)
	})
}
