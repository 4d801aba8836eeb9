package simulation

import (
	"errors"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// behaviour is what the handler of one subscriber does with one event: so often
// something bad, and from then on it succeeds.
type behaviour struct {
	bad      badness
	times    int
	took     time.Duration // each call
	delay    time.Duration // of RetryAfter and Suspend, or beyond the time-out
	deaf     bool          // it takes no notice of its context
	publish  bool          // an event of its own, in each call
	resolved bool          // a call that was late ends well all the same
}

type badness int

const (
	fails badness = iota
	panics
	permanent
	late       // it returns after its time-out
	stuck      // it does not return
	suspends   // the subscriber
	retryAfter // some time
	exits      // its goroutine ends
	badnesses
)

var errBad = errors.New("bad luck")

// behaviour is decided by the seed and the names alone, whatever happens when.
func (p *plan) behaviour(s *subject, id string) behaviour {
	if p.script != nil {
		return p.script(id)
	}
	r := stream(p.seed, hash(s.name, id))
	b := behaviour{deaf: r.IntN(3) == 0, resolved: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		b.took = time.Duration(r.IntN(20)) * time.Millisecond
	}
	b.publish = r.IntN(12) == 0
	if r.IntN(s.trouble) > 0 {
		return b
	}
	b.bad = badness(r.IntN(int(badnesses)))
	if r.IntN(2) == 0 {
		b.bad = fails
	}
	b.times = 1 + r.IntN(s.retry.Attempts+1)
	switch b.bad {
	case stuck:
		b.times = 1
	case permanent:
		b.times = 1 + r.IntN(2)
	case late:
		b.delay = time.Duration(1+r.IntN(3000)) * time.Millisecond
	default:
		b.delay = time.Duration(r.IntN(150)) * time.Millisecond
	}
	return b
}

// verdict is what a call that was not the last bad one returns, counted from 1.
func (b behaviour) verdict(call int) error {
	if call > b.times {
		return nil
	}
	switch b.bad {
	case permanent:
		return eventbus.Permanent(errBad)
	case suspends:
		return eventbus.Suspend(errBad, b.delay)
	case retryAfter:
		return eventbus.RetryAfter(errBad, b.delay)
	case late:
		if b.resolved {
			return nil
		}
	}
	return errBad
}
