package engine

import (
	"context"
	"errors"
	"time"

	"github.com/seed-28af575d/eventbus"
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

	// Guarded by s.mu:
	flights   flights
	seq       uint64
	waits     bool      // the receiver waits for room
	fullSince time.Time // when the window became full
	gone      bool      // nothing can be acknowledged any more
	drained   chan struct{}
	acks      []Receipt
	forgets   []string // origins that the ledger can forget
	suspicion suspicion
}

func newFeed(s *subscription, source Source) *feed {
	return &feed{
		s: s, source: source,
		room: make(chan struct{}, 1), stir: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{}),
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
			f.lose()
			return
		case s.receiving.Err() != nil:
			return
		default:
			outage.begin(s, err)
			s.bus.sleep(s.receiving, s.bus.pauseAfter(outage.tries))
		}
	}
}

func isGone(err error) bool { return errors.Is(err, ErrGone) }

// outage is a time in which a source does not answer.
type outage struct {
	tries int
	since time.Time
	err   error
}

func (o *outage) begin(s *subscription, err error) {
	if o.tries++; o.tries == 1 {
		o.since, o.err = s.bus.clock.Now(), err
	}
	s.bus.notices.warn("cannot receive", s.group, failure(err))
}

func (o *outage) over(s *subscription) {
	if o.tries == 0 {
		return
	}
	s.mu.Lock()
	s.stats.Reconnections++
	s.mu.Unlock()
	s.tellReconnected(eventbus.Reconnected{Tries: o.tries, Down: s.bus.clock.Now().Sub(o.since), Err: o.err})
	*o = outage{}
}

// awaitRoom returns how many deliveries may be received, or 0 when none may be any
// more.
func (f *feed) awaitRoom() int {
	s := f.s
	for {
		s.mu.Lock()
		n := f.vacancy()
		f.wait(n == 0)
		if f.waits && f.fullSince.IsZero() && f.flights.n >= s.bus.options.Window {
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
	window, span := f.s.bus.options.Window, f.s.bus.backend.Traits.Span
	free := window - f.flights.n
	switch {
	case free <= 0, f.closed():
		return 0
	case free < window/4 && f.s.ready.first != nil:
		return 0
	case span > 0 && f.flights.n > 0:
		free = min(free, span-int(f.seq-f.flights.first.seq))
	}
	return max(free, 0)
}

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

// lose drops what the feed had received, since its source is gone: others are
// handed it, or the next feed is.
func (f *feed) lose() {
	s := f.s
	s.mu.Lock()
	f.gone = true
	f.drained = make(chan struct{})
	drained := f.drained
	cancelled := s.loseAll(f)
	s.mu.Unlock()
	for _, a := range cancelled {
		a.end(eventbus.ErrInterrupted)
	}
	ended, stop := s.bus.after(grace)
	select {
	case <-drained:
	case <-ended:
	case <-s.receiving.Done():
	}
	stop()
	f.close(s.settling)
}

// loseAll drops the flights of a feed that is gone, but for those under way: they
// are marked, and their attempts returned. The lock is held.
func (s *subscription) loseAll(f *feed) (cancelled []*attempt) {
	s.stats.Reconnections++
	for x := f.flights.first; x != nil; {
		next := x.after
		if a, busy := s.lose(x); a != nil {
			cancelled = append(cancelled, a)
		} else if !busy {
			s.drop(x)
		}
		x = next
	}
	if f.flights.n == 0 && f.drained != nil {
		close(f.drained)
		f.drained = nil
	}
	return cancelled
}

// lose marks the flight as one that cannot be settled any more, and returns its
// attempt if its handler runs; busy is whether a worker has it at all.
func (s *subscription) lose(x *flight) (a *attempt, busy bool) {
	x.lost = true
	l := x.lane
	if l.first != x || l.state != laneRunning {
		return nil, false
	}
	for _, list := range []*attempts{&s.running, &s.overdue} {
		for a := list.first; a != nil; a = a.next {
			if a.flight == x {
				return a, true
			}
		}
	}
	return nil, true
}

// close ends the settler and gives the source back what was not acknowledged.
func (f *feed) close(ctx context.Context) {
	close(f.quit)
	<-f.ended
	f.keepTries(ctx)
	if err := f.source.Close(ctx); err != nil && ctx.Err() == nil {
		f.s.bus.notices.warn("a source cannot be closed", f.s.group, failure(err))
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.gone = true
	for x := f.flights.first; x != nil; x = x.after {
		x.lost = true // a handler that overran the end may still have it
	}
	delete(f.s.feeds, f)
}
