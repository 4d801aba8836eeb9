package oracle

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

func (e *event) String() string { return name(&e.Record) }

// name names an event by what its record says.
func name(r *journal.Record) string {
	var b strings.Builder
	b.WriteString(r.EventType)
	if r.AggregateID != "" {
		fmt.Fprintf(&b, " of %s/%s", r.AggregateType, r.AggregateID)
	}
	if r.Seq > 0 {
		fmt.Fprintf(&b, " #%d", r.Seq)
	}
	return b.String() + ", ID " + r.EventID
}

// process names the process that wrote a record.
func process(r *journal.Record) string { return fmt.Sprintf("%s (pid %d)", r.Worker, r.PID) }

// stamp says when and where a record was written.
func stamp(r *journal.Record) string { return "at " + clock(r.Time) + " by " + process(r) }

func clock(at int64) string {
	if at == 0 {
		return "an unknown time"
	}
	return time.Unix(0, at).UTC().Format("15:04:05.000000")
}

func stamps(rs []*journal.Record) string {
	const most = 4
	var out []string
	for i, r := range rs {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(rs)-i))
			break
		}
		out = append(out, stamp(r))
	}
	return strings.Join(out, ", ")
}

// contents is what must be the same wherever an event appears.
func contents(r *journal.Record) string {
	return fmt.Sprintf("%s of %s/%s, %s with checksum %s", r.EventType, r.AggregateType, r.AggregateID, mediaType(r.ContentType), r.Sum)
}

// alike reports whether two records tell of the same event.
func alike(a, b *journal.Record) bool {
	return a.EventType == b.EventType && a.AggregateType == b.AggregateType && a.AggregateID == b.AggregateID &&
		a.Sum == b.Sum && a.ContentType == b.ContentType
}

func mediaType(s string) string {
	if s == "" {
		return "no content type"
	}
	return s
}

// recordOf tells a letter's event as a record, to be compared with that of e. Where the
// letter was not decoded its body is the payload, and its content type is not known.
func recordOf(l *dlq.Letter, e *event) *journal.Record {
	r := &journal.Record{
		EventID: l.EventID, EventType: l.Type, AggregateType: l.AggregateType, AggregateID: l.AggregateID,
		Sum: journal.Sum(l.Body), ContentType: e.ContentType,
	}
	if l.Event.ID != "" {
		r.Sum, r.ContentType = journal.Sum(l.Event.Data()), l.Event.ContentType
	}
	return r
}

// showLetter tells of a letter.
func showLetter(l *dlq.Letter) string {
	s := fmt.Sprintf("letter %s, buried at %s as %s, %d attempts, %d replays", l.ID, clock(nanos(l.BuriedAt)), l.Reason, l.Attempts, l.Replays)
	if len(l.Errors) > 0 {
		s += ": " + l.Errors[0]
	}
	return s
}

func showLetters(ls []*dlq.Letter) string {
	out := make([]string, len(ls))
	for i, l := range ls {
		out[i] = showLetter(l)
	}
	return strings.Join(out, "; ")
}

// story tells what is known of an event that came to no end.
func (t *trace) story() string {
	switch {
	case t == nil:
		return "no handler has seen it"
	case len(t.bad) > 0:
		last := t.bad[len(t.bad)-1]
		return fmt.Sprintf("begun %d times, failed last %s: %s", t.begun, stamp(last), last.Err)
	}
	return fmt.Sprintf("begun %d times, and no end", t.begun)
}

// stacks cuts what goleak says into one text for each goroutine.
func stacks(s string) []string {
	const head = "Goroutine "
	_, all, ok := strings.Cut(s, head)
	if !ok {
		return []string{s}
	}
	var out []string
	for one := range strings.SplitSeq(all, head) {
		out = append(out, "goroutine "+strings.TrimRight(one, " \n]"))
	}
	return out
}
