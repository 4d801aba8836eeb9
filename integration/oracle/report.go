package oracle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus/integration/journal"
)

// Report is the judgement. It is a value.
type Report struct {
	Findings    []Finding // empty: every promise is kept
	Published   PublishedCount
	Subscribers []SubscriberCount
	Torn        int  // journals whose last record a kill cut off
	Looked      bool // at what is left over
}

// PublishedCount counts events by what their publishers were told.
type PublishedCount struct {
	OK, Unknown, Refused int
	Untold               int // of the unknown: their publisher did not live to tell
	Aggregates           int
	Placeless            int // were published again after later ones, and are not held to the order
}

// SubscriberCount counts what one subscriber did.
type SubscriberCount struct {
	Name     string
	Handled  int // events
	Repeats  int
	Bound    int // of the repeats
	Letters  int
	Attempts int // begun
	Failed   int
	CutOff   int // begun, and no end: the process was killed, or the handler never returned
	Workers  []string
}

// BrokenError is the error of a report with findings. Its text is the report's.
type BrokenError struct{ Report Report }

func (e *BrokenError) Error() string { return e.Report.String() }

// Err returns nil where every promise is kept, else a [BrokenError].
func (r Report) Err() error {
	if len(r.Findings) == 0 {
		return nil
	}
	return &BrokenError{Report: r}
}

// String returns the report: what it is about in a few lines, then a paragraph for
// each finding.
func (r Report) String() string {
	var b strings.Builder
	b.WriteString("oracle: " + r.verdict())
	p := r.Published
	fmt.Fprintf(&b, "\npublished: %d ok, %d unknown (%d of them untold), %d refused; %d ordered aggregates, %d events without a place",
		p.OK, p.Unknown, p.Untold, p.Refused, p.Aggregates, p.Placeless)
	for _, s := range r.Subscribers {
		fmt.Fprintf(&b, "\n%s: %d handled, %d repeats (%d allowed), %d letters; %d attempts begun, %d failed, %d cut off; %s",
			s.Name, s.Handled, s.Repeats, s.Bound, s.Letters, s.Attempts, s.Failed, s.CutOff, workers(s.Workers))
	}
	if r.Torn > 0 {
		fmt.Fprintf(&b, "\njournals with a torn last line: %d", r.Torn)
	}
	for i := range r.Findings {
		b.WriteString("\n\n" + r.Findings[i].String())
	}
	return b.String()
}

func (r Report) verdict() string {
	if len(r.Findings) == 0 {
		if r.Looked {
			return "every promise is kept"
		}
		return "every promise is kept; nobody looked at what is left over (I6)"
	}
	var broken []string
	for i := range r.Findings {
		broken = append(broken, string(r.Findings[i].Invariant))
	}
	slices.Sort(broken)
	return "broken: " + strings.Join(slices.Compact(broken), ", ")
}

func workers(names []string) string {
	const most = 6
	switch {
	case len(names) == 0:
		return "no worker"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// take adds the findings that found something.
func (r *Report) take(fs ...*Finding) {
	for _, f := range fs {
		if f.Count > 0 {
			r.Findings = append(r.Findings, *f)
		}
	}
}

// count fills in what was published.
func (c *PublishedCount) count(p *published) {
	c.Aggregates = len(p.aggregates)
	for _, e := range p.all {
		switch e.outcome {
		case journal.Published:
			c.OK++
		case journal.Refused:
			c.Refused++
		default:
			c.Unknown++
			if e.told < e.attempts {
				c.Untold++
			}
		}
		if e.placeless {
			c.Placeless++
		}
	}
}
