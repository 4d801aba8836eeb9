package oracle

import (
	"fmt"

	"github.com/seed-28af575d/eventbus/integration/journal"
)

// invented is I4: what is handled or buried is what was published, and asked for.
func (t *trial) invented() {
	fs := inventions{
		madeUp:   newFinding(NothingMadeUp, t.Name, "events were received that nobody published"),
		changed:  newFinding(NothingMadeUp, t.Name, "events are not what was published"),
		unasked:  newFinding(NothingMadeUp, t.Name, "events were handled or buried that it does not ask for"),
		returned: newFinding(NothingMadeUp, t.Name, "events were received of which Publish said that they were refused, and so certainly not stored"),
	}
	for _, id := range t.traces.all {
		x, e := t.traces.byID[id], t.published.byID[id]
		if e == nil {
			fs.madeUp.addf("%s", x.sighting())
			continue
		}
		if e.outcome == journal.Refused {
			fs.returned.addf("%s: refused %s: %s", e, stamp(&e.Record), x.sighting())
		}
		if len(x.good)+len(x.letters) > 0 && !t.asksFor(e.EventType) {
			fs.unasked.addf("%s: %s", e, x.sighting())
		}
		fs.compare(e, x)
	}
	t.report.take(fs.madeUp, fs.changed, fs.unasked, fs.returned)
}

type inventions struct{ madeUp, changed, unasked, returned *Finding }

// compare holds what was received against what was published, and tells of the first
// difference.
func (fs inventions) compare(e *event, x *trace) {
	for _, rs := range [][]*journal.Record{x.good, x.bad} {
		for _, r := range rs {
			if !alike(r, &e.Record) {
				fs.changed.addf("%s, %s %s:\npublished %s\nreceived  %s", e, r.What, stamp(r), contents(&e.Record), contents(r))
				return
			}
		}
	}
	for _, l := range x.letters {
		if r := recordOf(l, e); !alike(r, &e.Record) {
			fs.changed.addf("%s, %s:\npublished %s\nburied    %s", e, showLetter(l), contents(&e.Record), contents(r))
			return
		}
	}
}

// sighting tells where an event was seen.
func (t *trace) sighting() string {
	switch {
	case len(t.good) > 0:
		return name(t.good[0]) + ", handled " + stamp(t.good[0])
	case len(t.letters) > 0:
		return "ID " + t.letters[0].EventID + ", " + showLetter(t.letters[0])
	}
	return fmt.Sprintf("%s, %s %s", name(t.seen), t.seen.What, stamp(t.seen))
}
