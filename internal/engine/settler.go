package engine

import (
	"errors"
	"runtime"

	"github.com/seed-28af575d/eventbus"
)

// The settler of a feed acknowledges what was finished while its last call was
// under way: without a timer, so that an idle bus acknowledges at once, and a busy
// one many at a time. It extends the leases too.

// settle runs until quit is closed, and then once more.
func (f *feed) settle() {
	defer close(f.ended)
	every := f.s.bus.backend.Traits.Keep
	keep := make(chan struct{}, 1)
	var timer eventbus.Timer
	if every > 0 {
		timer = f.s.bus.clock.AfterFunc(every, func() { wakeUp(keep) })
		defer timer.Stop()
	}
	var stir <-chan struct{} = f.stir // or the end of a pause
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-stir:
			runtime.Gosched() // who else can run now may have something to acknowledge too
		case <-keep:
			f.keep()
			timer.Reset(every)
			continue
		case <-f.quit:
			f.last()
			return
		}
		if err := f.flush(); err != nil {
			stir, stop = f.s.bus.after(f.s.bus.pauseAfter(f.outage.tries))
			continue
		}
		stir = f.stir
	}
}

// last acknowledges what is left, as long as anything can be settled.
func (f *feed) last() {
	s := f.s
	for f.flush() != nil && s.settling.Err() == nil {
		s.bus.sleep(s.settling, s.bus.pauseAfter(f.outage.tries))
	}
}

// flush acknowledges what has collected. What cannot be acknowledged now is kept
// for the next time, unless the source is gone.
func (f *feed) flush() error {
	s := f.s
	s.mu.Lock()
	acks, forgets := f.acks, f.forgets
	f.acks, f.forgets = nil, nil
	gone := f.gone
	if !gone {
		f.acking = len(acks)
	}
	s.mu.Unlock()
	if len(acks) == 0 || gone {
		return nil
	}
	err := f.source.Ack(s.settling, acks)
	if isGone(err) {
		f.ask()
		return nil
	}
	f.acknowledged(acks, forgets, err)
	if err != nil {
		f.outage.begin(s, "cannot acknowledge", err)
		return err
	}
	f.outage.over(s)
	if len(forgets) > 0 {
		f.erase(forgets)
	}
	return nil
}

// acknowledged takes the outcome of an Ack into account.
func (f *feed) acknowledged(acks []Receipt, forgets []string, err error) {
	s := f.s
	s.mu.Lock()
	defer s.mu.Unlock()
	f.acking = 0
	if err != nil {
		f.acks = append(acks, f.acks...)
		f.forgets = append(forgets, f.forgets...)
		return
	}
	s.stats.Acked += uint64(len(acks))
	if f.acks == nil {
		f.acks = acks[:0] // to be used again
	}
}

// ask lets the receiver ask for one delivery, whatever room there is: if the source
// is gone it says so to the receiver too.
func (f *feed) ask() {
	f.s.mu.Lock()
	f.asks, f.acking = true, 0
	f.s.mu.Unlock()
	wakeUp(f.room)
}

// keep extends the leases of all that is under way, and gives up what was lost.
func (f *feed) keep() {
	s := f.s
	s.mu.Lock()
	var rs []Receipt
	for x := f.flights.first; x != nil; x = x.after {
		rs = append(rs, x.Receipt)
	}
	s.mu.Unlock()
	if len(rs) == 0 {
		return
	}
	lost, err := f.source.Keep(s.settling, rs)
	switch {
	case isGone(err), errors.Is(err, ErrWithdrawn):
		f.ask()
	case err != nil:
		s.bus.notices.warn("cannot extend leases", s.group, failure(err))
	}
	if len(lost) > 0 {
		f.loseSome(lost)
	}
}

// loseSome gives up the flights of which others have the lease now.
func (f *feed) loseSome(lost []Receipt) {
	s := f.s
	gone := make(map[Receipt]bool, len(lost))
	for _, r := range lost {
		gone[r] = true
	}
	var cancelled []*attemptContext
	s.mu.Lock()
	for x := f.flights.first; x != nil; {
		next := x.after
		if gone[x.Receipt] {
			if a, busy := s.lose(x); a != nil {
				cancelled = append(cancelled, a.context)
			} else if !busy {
				s.drop(x)
			}
		}
		x = next
	}
	s.mu.Unlock()
	for _, c := range cancelled {
		c.end(eventbus.ErrInterrupted)
	}
	s.bus.notices.warn("leases were lost: others are handed these events too", s.group)
}

// erase lets the ledger forget what was settled.
func (f *feed) erase(origins []string) {
	forget := make(map[string]Tries, len(origins))
	for _, o := range origins {
		forget[o] = Tries{}
	}
	f.save(f.s.settling, forget)
}
