package demo

import "sync"

// trouble remembers what explains that an event is handled more than once, at least once
// being all that is promised: it was published again though it may have been stored, or a
// subscriber's connection was lost between two calls.
type trouble struct {
	mu     sync.Mutex
	again  map[int]int    // by position: copies beyond the first that may be stored
	sent   map[int]bool   // positions that were published again
	outage map[string]int // by subscriber: how often a connection came back
	lapsed map[string]int // by subscriber: deliveries that were not acknowledged in time
}

func newTrouble() *trouble {
	return &trouble{again: map[int]int{}, sent: map[int]bool{}, outage: map[string]int{}, lapsed: map[string]int{}}
}

// publishAgain says that the event is about to be published again; perhaps it is stored.
func (t *trouble) publishAgain(position int, perhaps bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[position] = true
	if perhaps {
		t.again[position]++
	}
}

// replayAgain says that the event of a letter is about to be replayed again, though it may
// have been.
func (t *trouble) replayAgain(position int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.again[position]++
}

// publishedAgain counts the events that were.
func (t *trouble) publishedAgain() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sent)
}

// copies is how many more of the event there may be.
func (t *trouble) copies(position int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.again[position]
}

// reconnected says that a connection of the subscriber is back.
func (t *trouble) reconnected(subscriber string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outage[subscriber]++
}

// outages is how often one of the subscriber's connections came back.
func (t *trouble) outages(subscriber string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outage[subscriber]
}

// lapse says how many deliveries of the subscriber were not acknowledged in time, in all.
func (t *trouble) lapse(subscriber string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lapsed[subscriber] = n
}

// lapses is what lapse was told last.
func (t *trouble) lapses(subscriber string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lapsed[subscriber]
}

// any reports whether there was any that is known of.
func (t *trouble) any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sent)+len(t.again)+len(t.outage)+len(t.lapsed) > 0
}
