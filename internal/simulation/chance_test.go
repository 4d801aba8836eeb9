package simulation

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// fault is something that a broker, or the way to it, may do.
type fault int

const (
	sendLate      fault = iota // the answer takes its time
	sendStalls                 // and comes when the caller has given up
	sendNotStored              // sent again by the engine
	sendRefused
	sendUnknown // stored or not
	sendTwice   // stored twice
	nextFails
	receiveLate
	receiveFails
	receiveIdle  // none, and no error
	receiveTwice // one delivery is handed over twice
	receiveGone  // the source has ended
	ackLate
	ackFails
	ackForgotten // done, but reported as failed
	ackGone
	keepFails
	keepLost // leases are lost
	keepGone
	letterLate
	letterFails
	letterForgotten // stored, but reported as failed
	ledgerLate
	ledgerFails
	joinFails
	kinds
)

// chance says when which fault happens. Each kind has a sequence of its own, so that a
// change of one changes the others as little as possible. The lock of the world guards
// it.
type chance struct {
	levels  [kinds]int // one in so many; 0: never
	streams [kinds]*rand.Rand
	general *rand.Rand
}

func newChance(p *plan) *chance {
	c := &chance{levels: p.levels, general: stream(p.seed, 1000)}
	for k := range c.streams {
		c.streams[k] = stream(p.seed, 2000+uint64(k))
	}
	return c
}

func stream(seed, number uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, number)) }

// strikes reports whether the fault happens now.
func (c *chance) strikes(k fault) bool {
	return c.levels[k] > 0 && c.streams[k].IntN(c.levels[k]) == 0
}

// while is how long something takes, mostly not at all.
func (c *chance) while(k fault, most time.Duration) time.Duration {
	if !c.strikes(k) {
		return 0
	}
	return time.Duration(c.streams[k].Int64N(int64(most)))
}

func (c *chance) coin() bool { return c.general.IntN(2) == 0 }

func hash(texts ...string) uint64 {
	h := fnv.New64a()
	for _, s := range texts {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return h.Sum64()
}
