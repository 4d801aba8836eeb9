package rabbitbus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// TestCopiesAndRemovalsInAnyOrder: a letter that was removed is so wherever its copy stands, of
// several under an ID the first is the letter, and each is counted for one removal.
func TestCopiesAndRemovalsInAnyOrder(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's
		const letters = 30
		x := newLetterIndex()
		var copies []*letterEntry
		alive := map[string]letterPlace{}
		for i := range letters { // of generation 3, before it ended
			id := fmt.Sprint("id-", i%20) // some are stored twice
			e := &letterEntry{Head: letterline.Head{ID: id}, born: letterPlace{3, uint64(i + 1)}, place: letterPlace{3, uint64(i + 1)}}
			copies = append(copies, e)
			if _, ok := alive[id]; !ok {
				alive[id] = e.born
			}
			if r.IntN(2) == 0 { // or this reader comes when the old generation is gone
				c := *e
				x.add(&c)
			}
		}
		ended := map[string]string{}
		want := map[string]string{}
		for at := uint64(1); at < 60; at++ { // the records of generation 4
			place := letterPlace{4, at}
			if n := len(copies); n > 0 && r.IntN(2) == 0 {
				i := r.IntN(n)
				c := *copies[i]
				c.place = place
				copies = slices.Delete(copies, i, i+1)
				if by := x.add(&c); by != "" {
					ended[c.ID] = by
				}
				continue
			}
			rec := letterRecord{nonce: fmt.Sprint("n-", at), place: place, ids: []string{fmt.Sprint("id-", r.IntN(20)), "none"}}
			for _, id := range x.remove(&rec) {
				ended[id] = rec.nonce
			}
			if _, ok := alive[rec.ids[0]]; ok {
				want[rec.ids[0]] = rec.nonce
				delete(alive, rec.ids[0])
			}
		}
		for i, e := range copies { // what is left of them
			c := *e
			c.place = letterPlace{4, uint64(100 + i)}
			if by := x.add(&c); by != "" {
				ended[c.ID] = by
			}
		}
		got := map[string]letterPlace{}
		var order []letterPlace
		for _, e := range x.from(letterPlace{}) {
			if !e.gone {
				got[e.ID] = e.born
				order = append(order, e.born)
			}
		}
		require.Equal(t, alive, got, "seed %d", seed)
		require.True(t, slices.IsSortedFunc(order, letterPlace.compare))
		require.Equal(t, want, ended, "seed %d", seed)
	}
}

// A reader that begins anew finds the removal, and no copy of what it has removed: a compaction has heeded it.
func TestWhatACompactionHasHeededCountsAsRemoved(t *testing.T) {
	for anew, want := range map[bool][]string{true: {"a"}, false: nil} {
		l := &letterLog{index: newLetterIndex(), awaited: map[string]*letterEnds{}}
		forget := l.await("removal")
		if anew {
			l.reset()
		}
		l.note("removal", l.index.remove(&letterRecord{nonce: "removal", ids: []string{"a"}, place: letterPlace{2, 1}})...)
		require.Equal(t, want, forget().gone([]string{"a"}))
	}
}
