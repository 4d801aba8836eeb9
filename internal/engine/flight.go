package engine

import (
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// flight is a delivery from its receipt to its settlement. All of it belongs to the
// lock of its subscription, except while its lane runs: then the event and what
// was found out about it belong to the worker.
type flight struct {
	*Delivery
	feed          *feed
	lane          *lane
	seq           uint64  // position in the feed
	before, after *flight // its neighbours in the feed
	next          *flight // behind it in the lane
	gen           uint64  // changes when it is used again: late timers look at it

	event    *eventbus.DomainEvent // once it is decoded
	past     *history              // read it here; write through own
	todo     task
	lost     bool // its lease or source is gone: it is not settled here
	recorded bool // the ledger has something about it
	careful  bool // it is not run beside others like it
	tried    bool // it has run once, where it is careful
}

// history is what happened to a flight that did not just succeed. Most flights
// have none, and share an empty one.
type history struct {
	facts    wire.Facts // that came with the message
	attempts int        // that ended and counted, those of earlier deliveries included
	crashes  int
	first    time.Time // first and last failure
	last     time.Time
	waited   time.Duration  // in the lane, for retries
	failures int            // of the backend, in a row, to settle it
	stuck    time.Duration  // how long its handler ran before it was given up; 0: it returned
	ending   *ending        // what an inter or a resend needs
	timer    eventbus.Timer // that ends its wait
}

var uneventful history // never written to

// own returns the flight's own history, to be written to.
func (f *flight) own() *history {
	if f.past == &uneventful {
		f.past = new(history)
	}
	return f.past
}

// atWork reports whether the flight is its worker's, who alone may look at its past.
// The lock is held.
func (f *flight) atWork() bool { return f.lane.first == f && f.lane.state == laneRunning }

// ending is how a flight is settled other than by a plain ack.
type ending struct {
	letter dlq.Letter
	told   eventbus.Buried // what the observer is told
	again  Message
}

// task is what a worker does next for a flight.
type task int

const (
	handle task = iota // call the handler
	inter              // store its letter, then ack
	resend             // send it to its group again, then ack
	giveUp             // bury it, since its handler does not return
)

// origin is where the message stood first.
func (f *flight) origin() string {
	if f.past.facts.Origin != "" {
		return f.past.facts.Origin
	}
	return f.Origin.String()
}

// remember takes over the facts that came with the message.
func (f *flight) remember(facts wire.Facts) {
	if facts != (wire.Facts{}) {
		h := f.own()
		h.facts, h.attempts, h.first, h.crashes = facts, facts.Attempts, facts.First, facts.Crashes
	}
}

// fail notes a failed attempt.
func (f *flight) fail(now time.Time) {
	h := f.own()
	h.attempts++
	if h.first.IsZero() {
		h.first = now
	}
	h.last = now
}

// flights are a feed's flights in the order of their receipt.
type flights struct {
	first, last *flight
	n           int
}

func (l *flights) push(f *flight) {
	f.before, f.after = l.last, nil
	if l.last == nil {
		l.first = f
	} else {
		l.last.after = f
	}
	l.last = f
	l.n++
}

func (l *flights) remove(f *flight) {
	if f.before == nil {
		l.first = f.after
	} else {
		f.before.after = f.after
	}
	if f.after == nil {
		l.last = f.before
	} else {
		f.after.before = f.before
	}
	f.before, f.after = nil, nil
	l.n--
}

// hangar keeps flights and lanes to be used again, so that an event costs no
// allocation.
type hangar struct {
	flights *flight // linked by next
	lanes   *lane
	kept    int
}

const mostKept = 4096

func (h *hangar) flight() *flight {
	f := h.flights
	if f == nil {
		return &flight{past: &uneventful}
	}
	h.flights = f.next
	h.kept--
	f.next = nil
	return f
}

func (h *hangar) park(f *flight) {
	*f = flight{gen: f.gen + 1, past: &uneventful}
	if h.kept >= mostKept {
		return
	}
	h.kept++
	f.next = h.flights
	h.flights = f
}
