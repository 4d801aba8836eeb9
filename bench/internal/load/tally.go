package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Tally counts handled events and knows which number must come next for each
// aggregate, so that a lost, repeated or early event cannot pass as throughput.
type Tally struct {
	wait  time.Duration
	slow  bool
	next  []int // by aggregate; plain, because its events must come one at a time
	all   latch
	quick latch // all but those of aggregate 0
	wrong atomic.Pointer[string]
	each  chan struct{} // told of every event, where they go one by one
	gate  chan struct{} // handlers wait until it is closed, where a backlog is to grow
	end   chan struct{} // closed when a failed round lets go of handlers that wait
}

// NewTally expects event 0 first.
func NewTally(l Load) *Tally {
	t := &Tally{wait: l.Wait, slow: l.Slow, next: make([]int, len(l.Keys)), end: make(chan struct{})}
	for a := range t.next {
		t.next[a] = a
	}
	return t
}

// Expect makes ready for the events from, …, to-1. Nothing may be under way.
func (t *Tally) Expect(from, to int) {
	t.all.set(to - from)
	t.quick.set(to - from - ofFirst(from, to, len(t.next)))
}

// Handle is the handler of event i.
func (t *Tally) Handle(i int) {
	if t.gate != nil {
		select {
		case <-t.gate:
		case <-t.end:
		}
	}
	if t.wait > 0 {
		time.Sleep(t.wait)
	}
	a := i % len(t.next)
	if t.slow && a == 0 {
		select {
		case <-t.quick.done:
		case <-t.end:
		}
	}
	t.check(i, a)
	if t.slow && a != 0 {
		t.quick.down()
	}
	t.all.down()
	if t.each != nil {
		t.each <- struct{}{}
	}
}

func (t *Tally) check(i, a int) {
	if t.next[a] != i {
		text := fmt.Sprintf("event %d of aggregate %d was handled instead of event %d", i, a, t.next[a])
		t.wrong.CompareAndSwap(nil, &text)
	}
	t.next[a] = i + len(t.next)
}

// WaitQuick waits for the events that a round measures: all of them, or, with a
// slow aggregate, all but its.
func (t *Tally) WaitQuick(ctx context.Context) error {
	if t.slow {
		return t.quick.await(ctx)
	}
	return t.all.await(ctx)
}

// WaitAll waits for every event.
func (t *Tally) WaitAll(ctx context.Context) error { return t.all.await(ctx) }

// GiveUp lets go of handlers that wait for others.
func (t *Tally) GiveUp() { close(t.end) }

// Check says what was wrong, once the side has stopped.
func (t *Tally) Check() error {
	if text := t.wrong.Load(); text != nil {
		return fmt.Errorf("out of order, lost or repeated: %s", *text)
	}
	if left := t.all.left.Load(); left != 0 {
		return fmt.Errorf("handled and published differ: %d of %d events were not handled", left, t.all.of)
	}
	return nil
}
