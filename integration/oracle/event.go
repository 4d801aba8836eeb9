package oracle

import (
	"cmp"
	"slices"

	"github.com/seed-28af575d/eventbus/integration/journal"
)

// event is what its publishers wrote of one event.
type event struct {
	journal.Record // the last attempt

	outcome     journal.What // the best of them; Unknown where a publisher did not live to tell
	first, last int64        // attempts
	attempts    int
	told        int // outcomes
	refused     int
	placeless   bool // published again after later ones: where it stands nobody knows
}

// copies is how many of it may be stored.
func (e *event) copies() int { return e.attempts - e.refused }

// aggregate is what has an order: events of one aggregate, by their version or by the
// count of one publisher.
type aggregate struct{ kind, id, counter string }

func (a aggregate) String() string { return a.kind + "/" + a.id }

func (e *event) aggregate() aggregate { return aggregate{e.AggregateType, e.AggregateID, e.Counter} }

// published are all events.
type published struct {
	byID       map[string]*event
	all        []*event // by their first attempt
	aggregates [][]*event
}

// publishedIn gathers the events, and says what is wrong with their records.
func publishedIn(records []*journal.Record, r *Report) *published {
	p := &published{byID: map[string]*event{}}
	changed := newFinding(Sound, "", "events were published under one ID and are not the same")
	for _, x := range records {
		if x.What == journal.Attempted && !p.attempt(x) {
			changed.addf("ID %s: another one %s: %s", x.EventID, stamp(x), contents(x))
		}
	}
	untried := newFinding(Sound, "", "outcomes are told of publishes that nobody attempted: a record or a journal is missing")
	for _, x := range records {
		if !p.outcome(x) {
			untried.addf("%s of ID %s %s", x.What, x.EventID, stamp(x))
		}
	}
	for _, e := range p.all {
		if e.outcome == "" || e.outcome == journal.Refused && e.told < e.attempts {
			e.outcome = journal.Unknown
		}
	}
	r.take(changed, untried)
	p.place(r)
	return p
}

// attempt adds an attempt, in the order of time; false: it is of another event with the same ID.
func (p *published) attempt(r *journal.Record) bool {
	e, known := p.byID[r.EventID]
	if !known {
		e = &event{Record: *r, first: r.Time}
		p.byID[r.EventID] = e
		p.all = append(p.all, e)
	}
	same := alike(&e.Record, r)
	e.attempts++
	e.last, e.Record = r.Time, *r
	return same
}

// outcome adds an outcome; false: there was no attempt.
func (p *published) outcome(r *journal.Record) bool {
	switch r.What {
	case journal.Published, journal.Unknown, journal.Refused:
	default:
		return true
	}
	e := p.byID[r.EventID]
	if e == nil || e.told == e.attempts {
		return false
	}
	e.told++
	if r.What == journal.Refused {
		e.refused++
	}
	if rank(r.What) > rank(e.outcome) {
		e.outcome = r.What
	}
	return true
}

func rank(w journal.What) int {
	return slices.Index([]journal.What{"", journal.Refused, journal.Unknown, journal.Published}, w)
}

// place sorts the aggregates, and says where that cannot be done.
func (p *published) place(r *Report) {
	shared := newFinding(Sound, "", "events share their place in the aggregate: its order cannot be judged")
	turned := newFinding(Sound, "", "events were not published in the order of their places: give each aggregate to one publisher at a time")
	groups := map[aggregate][]*event{}
	for _, e := range p.all {
		if e.Seq > 0 && e.AggregateID != "" {
			groups[e.aggregate()] = append(groups[e.aggregate()], e)
		}
	}
	for _, e := range p.all { // not over the map: reports are to be the same each time
		of := groups[e.aggregate()]
		if len(of) == 0 || e.Seq == 0 {
			continue
		}
		delete(groups, e.aggregate())
		loosen(of)
		slices.SortStableFunc(of, func(a, b *event) int { return cmp.Compare(a.Seq, b.Seq) })
		of = slices.DeleteFunc(of, func(e *event) bool { return e.placeless })
		for i := 1; i < len(of); i++ {
			switch {
			case of[i].Seq == of[i-1].Seq:
				shared.addf("%s: ID %s and ID %s are both #%d", of[i].aggregate(), of[i-1].EventID, of[i].EventID, of[i].Seq)
			case of[i].first < of[i-1].first:
				turned.addf("%s before %s, %s", of[i], of[i-1], stamp(&of[i].Record))
			}
		}
		p.aggregates = append(p.aggregates, of)
	}
	r.take(shared, turned)
}

// loosen finds the events of an aggregate that were tried again after others of it were.
func loosen(of []*event) {
	for _, e := range of {
		e.placeless = e.attempts > 1 && slices.ContainsFunc(of, func(x *event) bool {
			return x != e && x.last > e.first && x.first < e.last
		})
	}
}
