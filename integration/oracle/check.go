package oracle

import (
	"cmp"
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

// Check judges the evidence. The report is the same each time, whatever the order of
// the records. Time and memory are proportional to them.
func Check(e Evidence) Report {
	r := Report{Torn: e.Log.Torn, Looked: e.Left != nil}
	records := byTime(e.Log.Records)
	p := publishedIn(records, &r)
	r.Published.count(p)
	seen := e.seen(records, &r)
	for i := range e.Subscribers {
		t := trial{Subscriber: &e.Subscribers[i], published: p, traces: seen[e.Subscribers[i].Name], cuts: nanosOf(e), report: &r}
		t.count()
		t.lost()
		t.order()
		t.repeats()
		t.invented()
	}
	if e.Left != nil {
		r.take(e.Left.findings()...)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Invariant.rank(), b.Invariant.rank()) })
	return r
}

// byTime sorts the records, of which those of several files do not stand in order.
func byTime(records []journal.Record) []*journal.Record {
	out := make([]*journal.Record, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	slices.SortStableFunc(out, func(a, b *journal.Record) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.EventID, b.EventID))
	})
	return out
}

// rank puts what makes all else doubtful first.
func (i Invariant) rank() string {
	if i == Sound {
		return ""
	}
	return string(i)
}

// trial is the judgement on one subscriber.
type trial struct {
	*Subscriber
	published *published
	traces    *traces
	cuts      []int64
	report    *Report
	counts    SubscriberCount
}

// seen sorts records and letters by subscriber, and says what is missing or strange.
func (e Evidence) seen(records []*journal.Record, r *Report) map[string]*traces {
	seen := map[string]*traces{}
	e.introduce(seen, r)
	strange := newFinding(NothingMadeUp, "", "records and letters are of subscribers that there were none of")
	for _, x := range records {
		switch t := seen[x.Subscriber]; {
		case x.Subscriber == "":
		case t == nil:
			strange.addf("%s: %s %s %s", x.Subscriber, name(x), x.What, stamp(x))
		default:
			t.record(x)
		}
	}
	for i := range e.Letters {
		l := &e.Letters[i]
		if t := seen[l.Group+"."+l.Subscriber]; t != nil {
			t.letter(l)
		} else {
			strange.addf("%s.%s: ID %s, %s", l.Group, l.Subscriber, l.EventID, showLetter(l))
		}
	}
	r.take(strange)
	return seen
}

// introduce makes room for each subscriber, and says what is wrong with them.
func (e Evidence) introduce(seen map[string]*traces, r *Report) {
	wrong := newFinding(Sound, "", "faults in what the oracle was told: it proves nothing")
	for _, s := range e.Subscribers {
		if seen[s.Name] != nil {
			wrong.addf("subscriber %s is named twice", s.Name)
		}
		if len(s.Events) == 0 {
			wrong.addf("subscriber %s asks for nothing; name its patterns", s.Name)
		}
		for _, p := range s.Events {
			if err := eventbus.Pattern(p).Validate(); err != nil {
				wrong.addf("subscriber %s: %v", s.Name, err)
			}
		}
		seen[s.Name] = newTraces()
	}
	if len(e.Subscribers) == 0 {
		wrong.addf("no subscriber is named")
	}
	if !slices.ContainsFunc(e.Log.Records, func(r journal.Record) bool { return r.What == journal.Attempted }) {
		wrong.addf("nothing was published through a journal")
	}
	r.take(wrong)
}

// count fills in what the subscriber did, and adds it to the report.
func (t *trial) count() {
	t.counts = SubscriberCount{Name: t.Name, Bound: t.Repeats, Letters: len(t.traces.foreign), Workers: t.traces.processes}
	for _, x := range t.traces.byID {
		if len(x.good) > 0 {
			t.counts.Handled++
		}
		ended := len(x.good) + len(x.bad)
		t.counts.Attempts += max(x.begun, ended)
		t.counts.CutOff += max(0, x.begun-ended)
		t.counts.Failed += len(x.bad)
		t.counts.Letters += len(x.letters)
		t.counts.Repeats += x.repeats(t.published.byID)
	}
	t.report.Subscribers = append(t.report.Subscribers, t.counts)
}

func nanosOf(e Evidence) []int64 {
	out := make([]int64, len(e.Cuts))
	for i, c := range e.Cuts {
		out[i] = nanos(c)
	}
	return out
}
