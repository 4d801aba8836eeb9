package engine

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/seed-28af575d/eventbus/internal/wire"
)

// feed takes deliveries from one source into the lanes of its subscription, as far
// as the window goes, and acknowledges them. Two goroutines serve it: one that
// receives, and a settler.
type feed struct {
	s      *subscription
	source Source
	room   chan struct{} // says that there may be room in the window again
	stir   chan struct{} // says that there is something to acknowledge
	quit   chan struct{} // closed when the settler is to end
	ended  chan struct{} // closed when it has ended
	outage outage        // of acknowledging; the settler's own

	// Guarded by s.mu:
	flights   flights
	seq       uint64
	waits     bool      // the receiver waits for room
	asks      bool      // it is to receive though there may be none
	fullSince time.Time // when the window became full
	gone      bool      // nothing can be acknowledged any more
	withdrawn bool      // nothing is tried again
	drained   chan struct{}
	acks      []Receipt
	acking    int      // receipts in the call that is under way
	forgets   []string // origins that the ledger can forget
	suspicion suspicion
	left      map[string]Tries // what the ledger is to be told of flights that went with the source
}

func newFeed(s *subscription, source Source) *feed {
	return &feed{
		s: s, source: source,
		room: make(chan struct{}, 1), stir: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{}),
		suspicion: suspicion{attempts: s.sub.Retry.Attempts},
	}
}

// run receives until the subscription halts or the source is gone.
func (f *feed) run() {
	s := f.s
	s.mu.Lock()
	s.feeds[f] = struct{}{}
	s.mu.Unlock()
	go f.settle()
	var outage outage
	for {
		most := f.awaitRoom()
		if most == 0 {
			return // the subscription halts, and closes the feed when its handlers are done
		}
		ds, err := f.source.Receive(s.receiving, most)
		switch {
		case err == nil:
			outage.over(s)
			f.admit(ds)
		case isGone(err):
			f.lose(err)
			return
		case errors.Is(err, ErrWithdrawn):
			f.withdraw(outage)
			return
		case s.receiving.Err() != nil:
			return
		default:
			outage.begin(s, "cannot receive", err)
			s.bus.sleep(s.receiving, s.bus.pauseAfter(outage.tries))
		}
	}
}

func isGone(err error) bool { return errors.Is(err, ErrGone) }

// awaitRoom returns how many deliveries may be received, or 0 when none may be any
// more.
func (f *feed) awaitRoom() int {
	s := f.s
	for {
		s.mu.Lock()
		n := f.vacancy()
		if f.asks {
			f.asks, n = false, max(n, 1)
		}
		f.wait(n == 0)
		if f.waits && f.fullSince.IsZero() && f.full() {
			f.fullSince = s.bus.clock.Now()
		}
		s.mu.Unlock()
		if s.receiving.Err() != nil {
			return 0
		}
		if n > 0 {
			return n
		}
		select {
		case <-f.room:
		case <-s.receiving.Done():
			return 0
		}
	}
}

// vacancy is how many more deliveries the feed may take now. Single places are not
// filled while there is other work, so that deliveries come in batches.
func (f *feed) vacancy() int {
	window := f.s.bus.options.Window
	free := window - f.flights.n
	switch {
	case free <= 0, f.closed():
		return 0
	case free < window/4 && f.s.ready.first != nil:
		return 0
	}
	return min(free, f.span())
}

// span is how many more deliveries may be finished behind the first that is not.
func (f *feed) span() int {
	span := f.s.bus.backend.Traits.Span
	switch {
	case span == 0:
		return math.MaxInt
	case f.flights.n == 0:
		return span + 1
	}
	return max(0, span-int(f.seq-f.flights.first.seq))
}

// full reports whether nothing more may be received before something is settled.
func (f *feed) full() bool { return f.flights.n >= f.s.bus.options.Window || f.span() == 0 }

// admit puts deliveries into their lanes.
func (f *feed) admit(ds []*Delivery) {
	if len(ds) == 0 {
		return
	}
	s := f.s
	known := f.recall(ds)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Received += uint64(len(ds))
	for i := range ds {
		f.seq++
		x := s.hangar.flight()
		x.Delivery, x.feed, x.seq = ds[i], f, f.seq
		if len(x.Header) > 0 {
			x.remember(wire.ReadFacts(x.Header))
		}
		f.suspicion.look(x, known)
		f.flights.push(x)
		l, fresh := s.laneOf(x)
		l.push(x)
		if fresh {
			l.state = laneReady
			s.ready.push(l)
		}
	}
	f.suspicion.end(f.flights.last)
	s.dispatch()
}

// ack collects the flight's receipt for the settler. The lock is held.
func (f *feed) ack(x *flight) {
	if f.gone {
		return
	}
	f.acks = append(f.acks, x.Receipt)
	if x.recorded {
		f.forgets = append(f.forgets, x.origin())
	}
	wakeUp(f.stir)
}

// forget takes the flight out of the window. The lock is held.
func (f *feed) forget(x *flight) {
	if x.careful {
		f.clear(x)
	}
	f.flights.remove(x)
	if f.flights.n == 0 && f.drained != nil {
		close(f.drained)
		f.drained = nil
	}
	if !f.full() { // there is progress, even if places are not filled one by one
		f.fullSince = time.Time{}
	}
	f.recheck()
}

// recheck wakes the receiver if there is room for it. The lock is held.
func (f *feed) recheck() {
	if f.waits && f.vacancy() > 0 {
		f.wait(false)
		wakeUp(f.room)
	}
}

// wait notes whether the receiver waits for room. The lock is held.
func (f *feed) wait(yes bool) {
	if f.waits != yes {
		f.waits = yes
		if yes {
			f.s.waiting++
		} else {
			f.s.waiting--
		}
	}
	if !yes {
		f.fullSince = time.Time{}
	}
}

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake already
	}
}

// close ends the settler and gives the source back what was not acknowledged.
func (f *feed) close(ctx context.Context) {
	s := f.s
	close(f.quit)
	<-f.ended
	s.mu.Lock()
	f.gone = true
	for x := f.flights.first; x != nil; x = x.after {
		x.lost = true // a handler that overran the end may still have it
	}
	s.mu.Unlock()
	f.keepTries(ctx)
	if err := f.source.Close(ctx); err != nil && ctx.Err() == nil {
		s.bus.notices.warn("a source cannot be closed", s.group, failure(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.feeds, f)
}
