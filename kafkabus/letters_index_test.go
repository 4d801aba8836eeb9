package kafkabus

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// testLog is a log in memory, and who has written to it.
type testLog struct {
	t  *testing.T
	rs []record
}

func (l *testLog) add(key string, value []byte) {
	l.rs = append(l.rs, record{offset: int64(len(l.rs)), key: []byte(key), value: value})
}

func (l *testLog) letter(id string) {
	value, err := letterline.Encode(&dlq.Letter{ID: id})
	require.NoError(l.t, err)
	l.add(id, value)
}

func (l *testLog) claim(id, holder string, at, until int64) {
	value, err := json.Marshal(letterClaim{At: at, Until: until})
	require.NoError(l.t, err)
	l.add(claimKey(id, holder), value)
}

// read is what a process makes of the log that comes to it now.
func (l *testLog) read(rs []record) *letterIndex {
	x := newLetterIndex()
	for i := range rs {
		_, err := x.add(&rs[i])
		require.NoError(l.t, err)
	}
	return x
}

// compacted is the log as a cleaner leaves it: of each key what was written last, up to there.
func (l *testLog) compacted(upTo int) []record {
	last := map[string]int{}
	for i, r := range l.rs[:upTo] {
		last[string(r.key)] = i
	}
	var out []record
	for i, r := range l.rs {
		if i >= upTo || last[string(r.key)] == i {
			out = append(out, r)
		}
	}
	return out
}

// TestClaimsInTheOrderOfTheLog: who holds a letter.
func TestClaimsInTheOrderOfTheLog(t *testing.T) {
	l := &testLog{t: t}
	holder := func(at int64) string { return l.read(l.rs).holder("a", at) }
	l.letter("a")
	require.Empty(t, holder(0))
	l.claim("a", "1", 10, 20)
	l.claim("a", "2", 10, 90)
	require.Equal(t, claimKey("a", "1"), holder(19))
	require.Empty(t, holder(20), "one that lost does not win later")
	l.claim("a", "3", 19, 99)
	require.Equal(t, claimKey("a", "1"), holder(19))
	l.add(claimKey("a", "2"), nil)
	require.Equal(t, claimKey("a", "1"), holder(19), "it was none's")
	l.claim("a", "4", 20, 50)
	l.claim("a", "5", 21, 51)
	require.Equal(t, claimKey("a", "4"), holder(30))
	l.add(claimKey("a", "1"), nil)
	require.Equal(t, claimKey("a", "4"), holder(30), "it was over")
	l.add(claimKey("a", "4"), nil)
	require.Empty(t, holder(30))
	l.claim("a", "6", 31, 60)
	l.letter("a")
	require.Equal(t, claimKey("a", "6"), holder(40), "the letter was stored again, and stays as it is")
	l.add("a", nil)
	l.letter("a")
	require.Empty(t, holder(40), "it is another")
	require.ElementsMatch(t, []string{claimKey("a", "3"), claimKey("a", "5"), claimKey("a", "6")}, l.read(l.rs).claimsOn("a"))
	require.ElementsMatch(t, []string{claimKey("a", "5"), claimKey("a", "6")}, l.read(l.rs).over(60, 9))
	require.Len(t, l.read(l.rs).over(99, 2), 2)
}

// TestLettersOfACompactedLog: a process that reads the log when it has been compacted finds the same
// letters as one that has read all of it, though some at other places.
func TestLettersOfACompactedLog(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's
		l := &testLog{t: t}
		for range 120 {
			id := fmt.Sprint(r.IntN(12))
			switch r.IntN(3) {
			case 0:
				l.add(id, nil)
			default:
				l.letter(id)
			}
		}
		all := l.read(l.rs)
		late := l.read(l.compacted(r.IntN(len(l.rs))))
		require.Len(t, late.byID, len(all.byID))
		for id, e := range all.byID {
			require.Equal(t, e.place, late.byID[id].place)
			require.GreaterOrEqual(t, late.byID[id].born, e.born)
		}
		for _, x := range []*letterIndex{all, late} {
			require.True(t, slices.IsSortedFunc(x.order, func(a, b *letterEntry) int { return int(a.born - b.born) }))
			n := 0
			for _, e := range x.from(0) {
				if !e.gone {
					n++
				}
			}
			require.Len(t, x.byID, n)
		}
	}
}

// TestWhatIsNoLetter is passed over.
func TestWhatIsNoLetter(t *testing.T) {
	x := newLetterIndex()
	for key, value := range map[string]string{"a": "no", "b": "{}\n", "c\x00d": "no", "\x00": "[]"} {
		_, err := x.add(&record{key: []byte(key), value: []byte(value)})
		require.Error(t, err, key)
	}
	_, err := x.add(&record{key: []byte("c\x00d")})
	require.NoError(t, err)
	require.Empty(t, x.byID)
	require.Empty(t, x.claims)
}
