package demo

import (
	"sync"

	"github.com/seed-28af575d/eventbus"
)

// ledger holds what every subscriber did with every event, so that what is lost or
// doubled is measured and not believed. Handlers and the bus's observer write it.
type ledger struct {
	register *register
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
	buried     int
	settled    int // distinct events that were handled or buried
}

type mark struct{ handled, settled bool }

func newLedger(r *register, subscribers []string) *ledger {
	l := &ledger{register: r, tallies: map[string]*tally{}, changed: make(chan struct{}, 1)}
	for _, name := range subscribers {
		l.tallies[name] = &tally{}
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

// handled notes a successful call of the subscriber's handler.
func (l *ledger) handled(subscriber string, position int) {
	l.tallies[subscriber].mark(position, func(t *tally, m *mark) {
		t.handled++
		if m.handled {
			t.duplicates++
		}
		m.handled = true
	})
}

// stranger notes an event that is not in the register.
func (l *ledger) stranger(subscriber string) {
	l.tallies[subscriber].update(func(t *tally) { t.strangers++ })
}

// reopen says that a buried event is on its way again.
func (l *ledger) reopen(subscriber string, position int) {
	l.tallies[subscriber].mark(position, func(t *tally, m *mark) {
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
			l.settle(b.Subscriber, &b.Event, func(t *tally) { t.buried++ })
		},
		Skipped: func(s eventbus.Skipped) { l.settle(s.Subscriber, &s.Event, func(*tally) {}) },
		Retried: func(r eventbus.Retried) {
			if t, ok := l.tallies[r.Subscriber]; ok {
				t.update(func(t *tally) { t.retried++ })
				l.notify()
			}
		},
	}
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
