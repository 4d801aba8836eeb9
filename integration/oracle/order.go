package oracle

import (
	"fmt"
	"slices"
)

// order is I2: no event is handled before an earlier one of its aggregate has come to
// an end, in the scope that is promised.
func (t *trial) order() {
	if t.Order == None {
		return
	}
	f := newFinding(InOrder, t.Name, "events were handled before earlier ones of their aggregate were handled or buried, the first of each aggregate:")
	for _, of := range t.published.aggregates {
		t.orderOf(of, f)
	}
	t.report.take(f)
}

// latest is the event that came to its end last, of those that were looked at.
type latest struct {
	*event
	end
}

// orderOf walks through one aggregate by place.
func (t *trial) orderOf(of []*event, f *Finding) {
	last := map[string]latest{} // by process, where that is the scope
	first, more := "", 0
	for _, e := range of {
		x := t.traces.byID[e.EventID]
		if x == nil {
			continue
		}
		if len(x.good) > 0 {
			before := last[t.scope(process(x.good[0]))]
			if before.event != nil && x.began() < before.at {
				if more++; more == 1 {
					first = tellOrder(e, x, before)
				}
			}
		}
		done, ok := x.settled()
		if scope := t.scope(done.process); ok && done.at > last[scope].at && !t.excused(e, done) {
			last[scope] = latest{e, done}
		}
	}
	if more == 0 {
		return
	}
	if more > 1 {
		first += fmt.Sprintf("\nand %d more of this aggregate", more-1)
	}
	f.add(more, first)
}

// tellOrder tells of an event that was handled too early.
func tellOrder(e *event, x *trace, before latest) string {
	return fmt.Sprintf("%s: its handling began at %s by %s,\nbefore #%d, ID %s, was %s at %s%s",
		e, clock(x.began()), process(x.good[0]), before.Seq, before.EventID, before.how, clock(before.at), by(before.process))
}

func by(process string) string {
	if process == "" {
		return ""
	}
	return " by " + process
}

// scope is within what events are compared; what is not known to be of a process is
// compared with nothing there.
func (t *trial) scope(process string) string {
	if t.Order == Everywhere {
		return ""
	}
	return process
}

// excused reports whether the event may have been with another process, and was given
// back by it: it was on its way when a process or connection was cut.
func (t *trial) excused(e *event, done end) bool {
	return t.Order == EachProcess && len(t.traces.processes) > 1 &&
		slices.ContainsFunc(t.cuts, func(cut int64) bool { return e.first <= cut && cut <= done.at })
}
