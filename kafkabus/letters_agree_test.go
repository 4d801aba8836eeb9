package kafkabus

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// claimWorld is a log that is compacted now and then, and processes that read it when they like, end, and
// leave their claims behind. Its times are milliseconds, a record's is that at which it was stored.
type claimWorld struct {
	*rand.Rand
	testLog
	now       int64
	times     []int64 // of the records
	gone      []bool  // compacted away
	processes []*claimProcess
	claims    int
}

// claimProcess is one that reads the log.
type claimProcess struct {
	index *letterIndex
	next  int
	when  int64
	holds string // the key of the claim that it has won
	until int64  // of its lease, as it reckons itself
	asks  string // the key of the claim that it has written, and will look for
	begun int64  // when it has asked
}

const (
	worldLag, worldRetain, worldStale = 400, 900, 300
	worldLease, worldError            = 100, 5 // the lease, and how wrong one is about the broker's clock
	worldID                           = "a"
)

// TestProcessesAgreeOnClaims: at no time do two hold a letter, though readers find the log in
// whatever state compaction leaves it.
func TestProcessesAgreeOnClaims(t *testing.T) {
	won := 0
	for seed := range uint64(150) {
		w := &claimWorld{Rand: rand.New(rand.NewPCG(seed, 1)), testLog: testLog{t: t}} //nolint:gosec // a test's
		for range 5 {
			w.processes = append(w.processes, &claimProcess{index: newLetterIndex()})
		}
		for range 1500 {
			w.step(w.processes[w.IntN(len(w.processes))])
			for len(w.times) < len(w.rs) {
				w.times, w.gone = append(w.times, w.now), append(w.gone, false)
			}
			won += w.check()
		}
	}
	require.Greater(t, won, 5000)
}

func (w *claimWorld) step(p *claimProcess) {
	switch w.IntN(12) {
	case 0:
		w.now += w.Int64N(25)
	case 1:
		w.compact()
	case 2:
		*p = claimProcess{index: newLetterIndex()} // it ends, with what it has asked for or holds
	case 3:
		if w.read(p); p.index.byID[worldID] == nil {
			w.letter(worldID)
		}
	case 4:
		if w.read(p); w.IntN(8) == 0 && p.index.byID[worldID] != nil {
			w.add(worldID, nil)
			for _, key := range p.index.claimsOn(worldID) {
				w.add(key, nil)
			}
		}
	case 5:
		if p.holds != "" {
			w.add(p.holds, nil)
			p.holds = ""
		}
	case 6, 7, 8:
		w.ask(p)
	default:
		w.look(p)
	}
}

// read reads on, or anew after a while.
func (w *claimWorld) read(p *claimProcess) {
	if w.now-p.when > worldStale {
		p.index, p.next = newLetterIndex(), 0
	}
	for p.when = w.now; p.next < len(w.times); p.next++ {
		if !w.gone[p.next] {
			_, err := p.index.add(&w.rs[p.next])
			require.NoError(w.t, err)
		}
	}
}

// ask claims the letter, as takeFrom does.
func (w *claimWorld) ask(p *claimProcess) {
	w.read(p)
	least, most := w.now-w.Int64N(worldError), w.now+w.Int64N(worldError)
	if p.asks != "" || p.holds != "" || p.index.byID[worldID] == nil || p.index.holder(worldID, least) != "" {
		return
	}
	for _, key := range p.index.over(least, 3) {
		w.add(key, nil)
	}
	w.claims++
	holder := fmt.Sprint(w.claims)
	w.claim(worldID, holder, least, most+worldLease)
	p.asks, p.begun = claimKey(worldID, holder), w.now
}

// look reads up to what the process has asked for, as won does, if that is not too long ago.
func (w *claimWorld) look(p *claimProcess) {
	if p.asks == "" {
		return
	}
	w.read(p)
	if cs := p.index.claims[worldID]; w.now-p.begun < worldLag/2 && p.index.byID[worldID] != nil && cs != nil && cs.holder == p.asks {
		p.holds, p.until = p.asks, p.begun+worldLease
	} else {
		w.add(p.asks, nil)
	}
	p.asks = ""
}

// compact removes what is behind, of what is old enough: of some keys, up to some place.
func (w *claimWorld) compact() {
	if len(w.times) == 0 {
		return
	}
	last := map[string]int{}
	upTo := 0
	for i := 0; i < len(w.times) && w.times[i] < w.now-worldLag; i++ {
		upTo = i + 1
	}
	upTo = w.IntN(upTo + 1)
	for i := range upTo {
		if key := string(w.rs[i].key); !w.gone[i] {
			if before, ok := last[key]; ok {
				w.gone[before] = true
			}
			last[key] = i
		}
	}
	for _, i := range last {
		if w.rs[i].value == nil && w.times[i] < w.now-worldRetain {
			w.gone[i] = true
		}
	}
}

// check counts who holds the letter that is there: those of one that was removed hold nothing.
func (w *claimWorld) check() (held int) {
	last := -1
	for i, r := range w.rs {
		if string(r.key) == worldID && r.value == nil {
			last = i
		}
	}
	for _, p := range w.processes {
		if p.holds != "" && w.now < p.until && w.written(p.holds) > last {
			held++
		}
	}
	require.LessOrEqual(w.t, held, 1)
	return held
}

// written is where a claim stands.
func (w *claimWorld) written(key string) int {
	for i, r := range w.rs {
		if string(r.key) == key && r.value != nil {
			return i
		}
	}
	return -1
}
