package kafkabus

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// model is a progress as simple as it gets.
type model map[int64]bool

func (m model) end(from int64) int64 {
	for m[from] {
		from++
	}
	return from
}

func TestProgressIsThatOfASet(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		start := r.Int64N(200)
		p, m := progress{end: start}, model{}
		for range 300 {
			from := start + r.Int64N(400)
			until := from + r.Int64N(8)
			p.finish(from, until)
			for o := from; o < until; o++ {
				m[o] = true
			}
			require.Equal(t, m.end(start), p.end, "seed %d", seed)
		}
		for o := start; o < start+500; o++ {
			require.Equal(t, m[o], p.finished(o), "seed %d, offset %d", seed, o)
		}
		read, err := readProgress(p.end, p.text(p.end+3, p.end+7))
		require.NoError(t, err)
		require.Equal(t, p.end+3, read.handed)
		require.Equal(t, p.end+7, read.open)
		for o := start; o < start+500; o++ {
			require.Equal(t, p.finished(o), read.finished(o), "seed %d, offset %d", seed, o)
		}
	}
}

// The sizes are those that docs/adr/016 counts on.
func TestProgressHasRoomBesideAnOffset(t *testing.T) {
	for name, isDone := range map[string]func(r *rand.Rand, o int64) bool{
		"one stuck": func(_ *rand.Rand, o int64) bool { return o > 0 },
		"few stuck": func(r *rand.Rand, _ int64) bool { return r.IntN(200) > 0 },
		"half":      func(r *rand.Rand, _ int64) bool { return r.IntN(2) == 0 },
		"few done":  func(r *rand.Rand, _ int64) bool { return r.IntN(20) == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			p := progress{end: 1 << 40}
			for o := int64(1); o < span20k; o++ {
				if isDone(r, o) {
					p.finish(p.end+o, p.end+o+1)
				}
			}
			text := p.text(p.last(), p.last())
			require.LessOrEqual(t, len(text), mostText)
			read, err := readProgress(p.end, text)
			require.NoError(t, err)
			for o := p.end; o < p.last(); o++ {
				require.Equal(t, p.finished(o), read.finished(o))
			}
		})
	}
}

const span20k = 20_000

// What has no room is handed out again; nothing that is not finished is taken for finished.
func TestProgressThatHasNoRoomIsCutShort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p := progress{end: 5}
	for o := int64(6); o < 200_000; o++ {
		if r.IntN(2) == 0 {
			p.finish(o, o+1)
		}
	}
	text := p.text(0, 0)
	require.LessOrEqual(t, len(text), mostText)
	read, err := readProgress(5, text)
	require.NoError(t, err)
	require.Equal(t, int64(5), read.open)
	kept := 0
	for o := int64(5); o < 200_000; o++ {
		if read.finished(o) {
			require.True(t, p.finished(o))
			kept++
		}
	}
	require.Greater(t, kept, 1000)
}

func TestProgressOfOthersSaysNothing(t *testing.T) {
	for _, text := range []string{
		"hello", "2;0;0;", "1;x", "1;0;", "1;-1;0;", "1;0;-1;", "1;0;!;r", "1;0;0;rAA=", "1;0;0;zAAAA", "1;0;0;r/////////w",
		"1;0;0;r" + strings.Repeat("/", 40), ";;;", "1;0;zzzzzzzzzzzzzzzzzz;",
	} {
		k, err := readProgress(9, text)
		require.ErrorIs(t, err, errProgress, "%q", text)
		require.Equal(t, known{progress{end: 9}, mark{9, text}, 9, 9}, k)
	}
	require.Empty(t, (&progress{end: 3}).text(3, 3))
	k, err := readProgress(3, "")
	require.NoError(t, err)
	require.Equal(t, known{progress{end: 3}, mark{3, ""}, 3, 3}, k)
}

func FuzzProgress(f *testing.F) {
	f.Add(int64(0), "1;a;0;r")
	f.Add(int64(7), (&progress{end: 7, done: []uint64{0x500}}).text(12, 13))
	f.Fuzz(func(t *testing.T, committed int64, text string) {
		if committed < 0 || committed > 1<<50 {
			return
		}
		p, err := readProgress(committed, text)
		require.GreaterOrEqual(t, p.end, committed)
		if err == nil {
			require.LessOrEqual(t, len(p.text(0, 0)), mostText)
			again, err := readProgress(p.end, p.text(0, 0))
			require.NoError(t, err)
			require.LessOrEqual(t, again.last(), p.last())
		}
	})
}

// What is lost is counted without what was finished beyond the end.
func TestProgressCountsWhatIsNotFinished(t *testing.T) {
	p := progress{end: 100}
	p.finish(110, 120)
	p.finish(200, 201)
	for _, c := range []struct{ from, until, want int64 }{
		{100, 100, 0}, {100, 110, 10}, {100, 115, 10}, {115, 130, 10}, {100, 201, 90}, {100, 300, 189}, {90, 101, 1}, {250, 300, 50}, {300, 250, 0},
	} {
		require.Equal(t, c.want, p.unfinished(c.from, c.until), "%d to %d", c.from, c.until)
	}
}
