package memory

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func numberedItem(n int) *item {
	it := &item{place: uint64(n)}
	it.Key = fmt.Sprint(n)
	return it
}

// Whatever is pushed comes out in order, however the two alternate.
func TestFifo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f := fifo{pool: new(sync.Pool)}
	var in, out int
	for round := range 200 {
		for range rng.IntN(3 * chunkSize) {
			f.push(numberedItem(in))
			in++
		}
		most := rng.IntN(3 * chunkSize)
		if round%50 == 49 {
			most = math.MaxInt // to the bottom
		}
		for range most {
			it := f.pop()
			if it == nil {
				require.Equal(t, in, out)
				break
			}
			require.Equal(t, numberedItem(out), it)
			out++
		}
		require.Equal(t, in-out, f.n)
	}
	require.Greater(t, in, 10*chunkSize)
}

// It holds no more chunks than its items need, and the empty ones hold no event.
func TestFifoGrowsAndShrinks(t *testing.T) {
	f := fifo{pool: new(sync.Pool)}
	chunks := func() (n int) {
		for c := f.head; c != nil; c = c.next {
			n++
		}
		return n
	}
	for i := range 10 * chunkSize {
		f.push(numberedItem(i))
	}
	require.Equal(t, 10, chunks())
	for range 8*chunkSize + 1 {
		f.pop()
	}
	require.Equal(t, 2, chunks())
	for f.pop() != nil {
	}
	require.LessOrEqual(t, chunks(), 1)
	for range 100 { // as when a subscriber keeps up: one chunk, from its start
		f.push(numberedItem(0))
		require.Equal(t, 1, chunks())
		require.Equal(t, 1, f.last)
		f.pop()
	}
	require.Equal(t, chunk{}, *f.head)
}

func TestSlots(t *testing.T) {
	var s slots
	var under []uint64
	for n := range slotsKept + 10 {
		under = append(under, s.put(numberedItem(n)))
	}
	require.NotNil(t, s.remove(under[7]))
	require.Nil(t, s.remove(under[7]))
	again := s.put(numberedItem(0))
	require.NotEqual(t, under[7], again)
	require.Len(t, s.table, slotsKept+10, "free slots are used first")
	require.Nil(t, s.remove(under[7]))
	require.NotNil(t, s.remove(again))
	for i, receipt := range under {
		require.Equal(t, i != 7, s.remove(receipt) != nil)
	}
	require.Empty(t, s.table, "it does not stay as large as it was")
	for _, receipt := range under {
		require.Nil(t, s.remove(receipt))
	}
	require.Empty(t, s.drain())
}

// The number of a hand-over comes round after four thousand millions, and never
// is the one that marks a free slot.
func TestSlotsComeRound(t *testing.T) {
	s := slots{turn: math.MaxUint32 - 1}
	last := s.put(numberedItem(1))
	first := s.put(numberedItem(2))
	require.Nil(t, s.remove(0))
	require.Len(t, s.drain(), 2)
	require.Nil(t, s.remove(last))
	require.Nil(t, s.remove(first))
}
