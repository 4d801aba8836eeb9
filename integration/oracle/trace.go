package oracle

import (
	"math"
	"time"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

// trace is what became of one event at one subscriber.
type trace struct {
	good    []*journal.Record // attempts that handled it, by time of their end
	bad     []*journal.Record // those that failed, likewise
	seen    *journal.Record   // the first of its records
	begun   int
	replays int // the most that was seen
	letters []*dlq.Letter
}

// traces are those of one subscriber.
type traces struct {
	byID      map[string]*trace
	all       []string // event IDs, in the order of the evidence
	processes []string
	foreign   []*dlq.Letter
	known     map[string]bool // processes
}

func newTraces() *traces { return &traces{byID: map[string]*trace{}, known: map[string]bool{}} }

func (t *traces) of(id string) *trace {
	x, ok := t.byID[id]
	if !ok {
		x = &trace{}
		t.byID[id] = x
		t.all = append(t.all, id)
	}
	return x
}

// record adds a record of a handler, in the order of time.
func (t *traces) record(r *journal.Record) {
	x := t.of(r.EventID)
	x.replays = max(x.replays, r.Replays)
	if x.seen == nil {
		x.seen = r
	}
	switch r.What {
	case journal.Begun:
		x.begun++
	case journal.Handled:
		x.good = append(x.good, r)
	case journal.Failed:
		x.bad = append(x.bad, r)
	}
	if p := process(r); !t.known[p] {
		t.known[p] = true
		t.processes = append(t.processes, p)
	}
}

func (t *traces) letter(l *dlq.Letter) {
	if l.EventID == "" {
		t.foreign = append(t.foreign, l)
		return
	}
	x := t.of(l.EventID)
	x.letters = append(x.letters, l)
	x.replays = max(x.replays, l.Replays)
}

// end is when an event no longer held up the later ones, where, and by what.
type end struct {
	at      int64
	process string // empty: not known
	how     string
}

// settled returns the first end of the event; false: it has none.
func (t *trace) settled() (first end, ok bool) {
	first.at = math.MaxInt64
	take := func(e end) {
		if e.at < first.at {
			first, ok = e, true
		}
	}
	if len(t.good) > 0 {
		take(end{t.good[0].Time, process(t.good[0]), "handled"})
	}
	var last *journal.Record // failure before the first letter
	for _, r := range t.bad {
		if r.Replays == 0 {
			last = r
		}
	}
	for _, l := range t.letters {
		take(burial(last, nanos(l.BuriedAt)))
	}
	if t.replays > 0 { // its first letter is gone: it was not buried before the last failure
		take(burial(last, 0))
	}
	return first, ok
}

// burial is the end by a letter, after the last failure if there was one.
func burial(last *journal.Record, at int64) end {
	e := end{at: at, how: "buried"}
	if last != nil {
		e.process = process(last)
		if at == 0 {
			e.at = last.Time
		}
	}
	return e
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// began is when the first successful attempt began.
func (t *trace) began() int64 {
	if b := t.good[0].Began; b > 0 {
		return b
	}
	return t.good[0].Time
}
