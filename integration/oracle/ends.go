package oracle

import "fmt"

// lost is I1: what was accepted is handled or has one letter.
func (t *trial) lost() {
	lost := newFinding(NothingLost, t.Name, "events are neither handled nor buried, though Publish returned nil")
	twice := newFinding(NothingLost, t.Name, "events have more than one letter")
	for _, e := range t.published.all {
		x := t.traces.byID[e.EventID]
		if t.needs(e) && (x == nil || len(x.good)+len(x.letters) == 0) {
			lost.addf("%s: published %s; %s", e, stamp(&e.Record), x.story())
		}
		if x != nil && len(x.letters) > max(1, e.copies()) {
			twice.addf("%s:\n%s", e, showLetters(x.letters))
		}
	}
	t.report.take(lost, twice)
	t.unreadable()
}

// unreadable is what I1 and I4 say of letters without an event.
func (t *trial) unreadable() {
	got := len(t.traces.foreign)
	missing := newFinding(NothingLost, t.Name, "letters of messages that cannot be read are missing")
	if got < t.Foreign {
		missing.add(t.Foreign-got, fmt.Sprintf("there must be %d, and there are %d", t.Foreign, got))
	}
	more := newFinding(NothingMadeUp, t.Name, "letters are of messages that cannot be read, more than there must be")
	for i := max(0, t.Foreign); i < got; i++ {
		more.addf("%s", showLetter(t.traces.foreign[i]))
	}
	t.report.take(missing, more)
}

// repeats is I3: what was handled is handled again, or buried, only so often.
func (t *trial) repeats() {
	if t.counts.Repeats <= t.Repeats {
		return
	}
	f := newFinding(FewRepeats, t.Name, fmt.Sprintf("repeats, and %d are allowed:", t.Repeats))
	for _, id := range t.traces.all {
		x := t.traces.byID[id]
		n := x.repeats(t.published.byID)
		if n == 0 {
			continue
		}
		told := fmt.Sprintf("%s: handled %d times: %s", name(x.good[0]), len(x.good), stamps(x.good))
		if len(x.letters) > 0 {
			told += "\nand buried too: " + showLetters(x.letters)
		}
		f.add(n, told)
	}
	t.report.take(f)
}

// repeats counts the ends of an event beyond one for each copy that was published.
func (t *trace) repeats(published map[string]*event) int {
	if len(t.good) == 0 || published[t.good[0].EventID] == nil {
		return 0 // without a success two letters are I1's, and what nobody published is I4's
	}
	return max(0, len(t.good)+len(t.letters)-max(1, published[t.good[0].EventID].copies()))
}
