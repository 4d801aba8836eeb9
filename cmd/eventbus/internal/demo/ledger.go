package demo

import (
	"sync"

	"github.com/seed-28af575d/eventbus"
)

// ledger holds what every subscriber did with every event, so that what is lost or
// doubled is measured and not believed. Handlers and the bus's observer write it.
type ledger struct {
	register *register
	trouble  *trouble
	tallies  map[string]*tally // by subscriber; fixed
	changed  chan struct{}     // says that something happened since it was last read

	mu     sync.Mutex
	stored []bool // by position: the bus has taken it
	count  int    // of those
}

// tally is one subscriber's part. Positions beyond marks have not been seen.
type tally struct {
	mu    sync.Mutex
	marks []mark

	handled    int // successful handler calls
	confirmed  int // of those, the ones that the bus reported
	duplicates int // successful calls beyond an event's first
	strangers  int // calls with an event that is not in the register
	retried    int
	buried     map[string]bool // letters, of which one may be told of again when the connection was lost
	settled    int             // distinct events that were handled or buried
}

type mark struct {
	handled, settled bool
	sent             bool // again, by the bus: as a retry or a replay
	outages          int  // of the subscriber, when its last call began
	copies           int  // that have explained a call
	surplus          int  // calls that repeat another, and that neither explains
}

func newLedger(r *register, subscribers []string) *ledger {
	l := &ledger{register: r, trouble: newTrouble(), tallies: map[string]*tally{}, changed: make(chan struct{}, 1)}
	for _, name := range subscribers {
		l.tallies[name] = &tally{buried: map[string]bool{}}
	}
	return l
}

// store notes that the bus has taken the event at the position.
func (l *ledger) store(position int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.stored) <= position {
		l.stored = append(l.stored, false)
	}
	if !l.stored[position] {
		l.stored[position] = true
		l.count++
	}
}

// published counts the events that the bus has taken.
func (l *ledger) published() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// call is one of a subscriber's handler.
type call struct {
	subscriber string
	outages    int // of the subscriber, when it began
}

// begin is called before the handler's work.
func (l *ledger) begin(subscriber string) call {
	return call{subscriber, l.trouble.outages(subscriber)}
}

// handled notes that the call has succeeded. One that repeats another is explained by a
// connection that was lost in between, else by a copy of the event.
func (l *ledger) handled(c call, position int) {
	l.tallies[c.subscriber].mark(position, func(t *tally, m *mark) {
		t.handled++
		if m.handled {
			t.duplicates++
			switch {
			case m.outages < c.outages:
			case m.copies < l.trouble.copies(position):
				m.copies++
			default:
				m.surplus++
			}
		}
		m.handled, m.outages = true, max(m.outages, c.outages)
	})
}

// unexplained counts the calls that repeat another for no reason that is known. What the bus has sent
// again it may have sent twice, if the connection for that was lost meanwhile.
func (l *ledger) unexplained() (n int) {
	for name, t := range l.tallies {
		t.update(func(t *tally) {
			surplus := 0
			for _, m := range t.marks {
				if m.sent {
					m.surplus = max(0, m.surplus-l.trouble.outages(publishing))
				}
				surplus += m.surplus
			}
			n += max(0, surplus-l.trouble.lapses(name))
		})
	}
	return n
}

// publishing stands for a subscriber where the bus tells of the connection by which it publishes.
const publishing = ""

// stranger notes an event that is not in the register.
func (l *ledger) stranger(subscriber string) {
	l.tallies[subscriber].update(func(t *tally) { t.strangers++ })
}

// reopen says that a buried event is on its way again.
func (l *ledger) reopen(subscriber string, position int) {
	l.tallies[subscriber].mark(position, func(t *tally, m *mark) {
		m.sent = true
		if m.settled && !m.handled {
			m.settled = false
			t.settled--
		}
	})
}

// observer writes what the bus reports into the ledger.
func (l *ledger) observer() eventbus.Observer {
	return eventbus.Observer{
		Handled: func(h eventbus.Handled) {
			if h.Err == nil {
				l.settle(h.Subscriber, &h.Event, func(t *tally) { t.confirmed++ })
			}
		},
		Buried: func(b eventbus.Buried) {
			l.settle(b.Subscriber, &b.Event, func(t *tally) { t.buried[b.LetterID] = true })
		},
		Skipped: func(s eventbus.Skipped) { l.settle(s.Subscriber, &s.Event, func(*tally) {}) },
		Reconnected: func(r eventbus.Reconnected) {
			l.trouble.reconnected(r.Subscriber)
			l.notify()
		},
		Retried: func(r eventbus.Retried) {
			l.retried(r.Subscriber, &r.Event)
		},
	}
}

func (l *ledger) retried(subscriber string, e *eventbus.DomainEvent) {
	t, ok := l.tallies[subscriber]
	if !ok {
		return
	}
	t.update(func(t *tally) { t.retried++ })
	if position, ok := l.register.position(e); ok {
		t.mark(position, func(_ *tally, m *mark) { m.sent = true })
	}
	l.notify()
}

func (l *ledger) settle(subscriber string, e *eventbus.DomainEvent, how func(*tally)) {
	t, ok := l.tallies[subscriber]
	if !ok {
		return
	}
	defer l.notify()
	position, ok := l.register.position(e)
	if !ok {
		t.update(how)
		return
	}
	t.mark(position, func(t *tally, m *mark) {
		how(t)
		if !m.settled {
			m.settled = true
			t.settled++
		}
	})
}

func (l *ledger) notify() {
	select {
	case l.changed <- struct{}{}:
	default: // whoever waits is told already
	}
}

func (t *tally) update(f func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t)
}

func (t *tally) mark(position int, f func(*tally, *mark)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.marks) <= position {
		t.marks = append(t.marks, mark{})
	}
	f(t, &t.marks[position])
}
