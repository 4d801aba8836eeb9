package rabbitbus

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAcksGoUpToTheFirstGapAndOneByOneBehindIt(t *testing.T) {
	var a acks
	require.Equal(t, []call{{2, true}}, a.note([]uint64{2, 1}))
	require.Equal(t, []call{{4, false}, {6, false}}, a.note([]uint64{4, 6}), "3 and 5 wait")
	require.Empty(t, a.note([]uint64{1, 4}), "known already")
	require.Equal(t, []call{{3, true}}, a.note([]uint64{3}), "4 is known to the server, which refuses it")
	require.Equal(t, []call{{7, true}}, a.note([]uint64{7, 5}))
	require.Empty(t, a.done)
}

// The server keeps a list: a single call takes one out, a multiple one all up to its tag, which
// must be there.
func TestAcksTellTheServerEachTagOnce(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var a acks
		const n = 60
		held := map[uint64]bool{}
		var tags []uint64
		for tag := uint64(1); tag <= n; tag++ {
			held[tag] = true
			tags = append(tags, tag)
		}
		dice.Shuffle(n, func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
		acked := map[uint64]bool{}
		for len(tags) > 0 {
			few := tags[:1+dice.IntN(min(len(tags), 7))]
			tags = tags[len(few):]
			for _, tag := range few {
				acked[tag] = true
			}
			for _, c := range a.note(few) {
				require.True(t, held[c.tag], "unknown delivery tag %d", c.tag)
				for tag := range held {
					if tag == c.tag || c.multiple && tag < c.tag {
						require.True(t, acked[tag], "%d is not through", tag)
						delete(held, tag)
					}
				}
			}
			for tag := range held {
				require.False(t, acked[tag], "%d is through", tag)
			}
		}
	}
}
