package fault

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// rule is what holds for all connections. It is never changed: a new one takes its
// place, and the old one's channel is closed.
type rule struct {
	delay, jitter time.Duration
	rate          int // bytes per second; 0 is no bound
	frozen        bool
	changed       chan struct{}
}

// rules gives the rule that holds now, to any number of goroutines.
type rules struct {
	mu   sync.Mutex // held by those who change it
	rule atomic.Pointer[rule]
}

func newRules() *rules {
	r := &rules{}
	r.rule.Store(&rule{changed: make(chan struct{})})
	return r
}

func (r *rules) now() *rule { return r.rule.Load() }

func (r *rules) change(f func(*rule)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.rule.Load()
	next := *old
	next.changed = make(chan struct{})
	f(&next)
	r.rule.Store(&next)
	close(old.changed)
}

// chunk is what was read at once, or the end of what there is to read.
type chunk struct {
	data []byte
	came time.Time
	luck float64 // of its jitter, in [-1, 1)
	end  error   // io.EOF, or what reading failed with
	lost *claim  // the place of a reply that was swallowed
}

func (c chunk) due(r *rule) time.Time {
	return c.came.Add(r.delay + time.Duration(c.luck*float64(r.jitter)))
}

// meter says how much may be written, and when: bytes at a rate, in pieces that are
// small enough that the rate holds from the first on. One goroutine uses it.
type meter struct {
	rule *rule
	free time.Time // when the next piece may go
}

// piece is how many of n bytes may go at once.
func (m *meter) piece(r *rule, n int) int {
	if m.rule != r {
		m.rule, m.free = r, time.Time{}
	}
	if r.rate == 0 {
		return n
	}
	return min(n, max(1, r.rate/20))
}

func (m *meter) spent(n int) {
	if m.rule.rate == 0 {
		return
	}
	now := time.Now()
	if m.free.Before(now) {
		m.free = now
	}
	m.free = m.free.Add(time.Duration(n) * time.Second / time.Duration(m.rule.rate))
}

func dice(seed, connection, direction uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, connection<<1|direction))
}
