package engine

import "context"

// withdraw gives a source back that is asked back: only what runs is waited for, and
// acknowledged, as long as the source lasts. An outage that it had not got over ends with the next
// source.
func (f *feed) withdraw(outage outage) {
	s := f.s
	s.mu.Lock()
	if outage.tries > 0 && s.away.tries == 0 {
		s.away = outage
	}
	f.withdrawn = true
	drained := make(chan struct{})
	f.drained = drained
	for x := f.flights.first; x != nil; {
		next := x.after
		if !x.atWork() {
			f.leave(x)
			s.drop(x)
		}
		x = next
	}
	if f.drained != nil && f.flights.n == 0 {
		f.drained = nil
		close(drained)
	}
	s.mu.Unlock()
	f.keepTries(s.settling)

	lasting, cancel := context.WithCancel(s.receiving)
	defer cancel()
	var why error
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			if _, why = f.source.Receive(lasting, 0); isGone(why) || lasting.Err() != nil {
				return
			}
			s.bus.sleep(lasting, s.bus.pauseAfter(1)) // it is not for that
		}
	}()
	select {
	case <-drained:
		cancel()
		<-over
		f.close(s.settling)
	case <-over:
		if isGone(why) {
			f.lose(why)
		} // else the subscription halts, and closes the feed when its handlers are done
	}
}
