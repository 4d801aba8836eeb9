package redisbus

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// show walks through an answer.
func show(in string) (string, error) {
	var out []string
	err := (&answer{in: []byte(in)}).eachEntry(func(key []byte, e streamEntry) {
		out = append(out, fmt.Sprintf("%s %s %q %v", key, e.id, e.fields, e.gone))
	})
	return strings.Join(out, "; "), err
}

const twoStreams = "*2\r\n" +
	"*2\r\n$1\r\na\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*4\r\n$2\r\nce\r\n$2\r\n{}\r\n$4\r\ndata\r\n$4\r\n\r\n\x00\xff\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n" +
	"*2\r\n$1\r\nb\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*0\r\n"

func TestAnAnswerIsReadAsItCame(t *testing.T) {
	for in, want := range map[string]string{
		"*-1\r\n":  "",
		"*0\r\n":   "",
		twoStreams: `a 1-0 ["ce" "{}" "data" "\r\n\x00\xff"] false; a 1-1 [] true; b 2-0 [] false`,
	} {
		got, err := show(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestAnAnswerThatIsAnError(t *testing.T) {
	_, err := show("-NOGROUP No such key 'k' or consumer group 'g'\r\n")
	require.True(t, noGroup(err))
	require.EqualError(t, err, "NOGROUP No such key 'k' or consumer group 'g'")
	_, err = show("-NOPERM this user has no permissions\r\n")
	require.ErrorIs(t, typed(err), ErrPermission)
}

func TestAnAnswerThatIsNoneOfEntries(t *testing.T) {
	for _, in := range []string{
		"", "*", "*1", ":1\r\n", "+OK\r\n", "*x\r\n", "*-2\r\n", "*1\r\n*3\r\n", "*1\r\n*2\r\n$9\r\na\r\n",
		strings.Replace(twoStreams, "*4", "*5", 1), twoStreams[:len(twoStreams)-4],
	} {
		_, err := show(in)
		require.ErrorIs(t, err, errAnswer, in)
	}
}

// What go-redis writes is the answer, however it writes it, and its memory is used again.
func TestPagesTakeAnAnswer(t *testing.T) {
	var p pages
	p.next()
	for range 3 {
		n, err := p.Write([]byte("$5\r\n"))
		require.NoError(t, err)
		require.Equal(t, 4, n)
		copied, err := io.CopyN(&p, strings.NewReader("hello\r\n+more"), 7)
		require.NoError(t, err)
		require.EqualValues(t, 7, copied)
		copied, err = io.Copy(&p, strings.NewReader(strings.Repeat("rest", 100)))
		require.NoError(t, err)
		require.EqualValues(t, 400, copied)
		require.Equal(t, "$5\r\nhello\r\n"+strings.Repeat("rest", 100), string(p.b))
		p.next()
		require.NotZero(t, cap(p.b))
	}
	copied, err := io.CopyN(&p, strings.NewReader("cut"), 7)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.EqualValues(t, 3, copied)
	p.next()
	require.Zero(t, cap(p.b), "who waits keeps nothing")
}

// FuzzAnswer: whatever comes, nothing panics, and what is read lies within it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(twoStreams))
	f.Add([]byte("-ERR x\r\n"))
	f.Add([]byte("*1000000000\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_ = (&answer{in: in}).eachEntry(func(key []byte, e streamEntry) {
			n := len(key) + len(e.id)
			for _, x := range e.fields {
				n += len(x)
			}
			if n > len(in) {
				t.Fatalf("%d bytes were read from %d", n, len(in))
			}
		})
	})
}
