package demo

import "fmt"

// Totals are what a run ends with. Of a run that was interrupted they are those so
// far, and what was not handled yet is not lost.
type Totals struct {
	Published       int            `json:"published"`                 // events that the bus took
	PublishedAgain  int            `json:"published_again,omitempty"` // of those, given to Publish again as the server had not confirmed them
	Handled         map[string]int `json:"handled"`                   // successful handler calls, by subscriber
	Retried         int            `json:"retried"`                   // waits before another attempt
	DeadLettered    int            `json:"dead_lettered"`             // letters made
	Replayed        int            `json:"replayed"`                  // letters replayed
	LeftInDLQ       int            `json:"left_in_dlq"`               // letters at the end
	OrderViolations int            `json:"order_violations"`          // events of an aggregate that came too late
	Lost            int            `json:"lost"`                      // deliveries neither handled nor in the DLQ
	Duplicates      int            `json:"duplicates"`                // successful calls beyond the first
	Seconds         float64        `json:"seconds"`                   // from the first publish to the last event handled
	EventsPerSecond float64        `json:"events_per_second"`
}

// facts are counts that must agree with the totals and are not part of them.
type facts struct {
	offered   int            // events given to Publish
	listed    int            // letters found before the replay
	confirmed map[string]int // successful calls that the bus reported, by subscriber
	repeated  map[string]int // successful calls beyond an event's first, by subscriber
	surplus   int            // of those, the ones that nothing explains
	strangers int            // events handled that nobody published
}

// faults returns a sentence for each sum that does not add up.
func (t Totals) faults(f facts) []string {
	var out []string
	differ := func(got, want int, format string, args ...any) {
		if got != want {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	differ(t.Published, f.offered, "%s published of %s", number(t.Published), count(f.offered, "event"))
	for _, name := range subscriberNames() {
		got := t.Handled[name]
		distinct := got - f.repeated[name]
		differ(distinct, t.Published, "%s handled %s of %s", name, number(distinct), count(t.Published, "event"))
		differ(f.confirmed[name], got, "%s handled %s, the bus reported %s", name, count(got, "event"), number(f.confirmed[name]))
	}
	differ(f.listed, t.DeadLettered, "%s buried, %s in the list", count(t.DeadLettered, "event"), count(f.listed, "letter"))
	differ(t.Replayed, t.DeadLettered, "%s replayed of %s", number(t.Replayed), count(t.DeadLettered, "dead letter"))
	differ(t.LeftInDLQ, 0, "%s left", count(t.LeftInDLQ, "dead letter"))
	differ(t.OrderViolations, 0, "%s out of order", count(t.OrderViolations, "event"))
	differ(t.Lost, 0, "%s lost", count(t.Lost, "delivery"))
	differ(f.surplus, 0, "%s handled more than once", count(f.surplus, "delivery"))
	differ(f.strangers, 0, "%s handled that nobody published", count(f.strangers, "event"))
	return out
}

// deadSet are the letters that are left: positions by subscriber.
type deadSet map[string]map[int]bool

func (d deadSet) add(subscriber string, position int) {
	if d[subscriber] == nil {
		d[subscriber] = map[int]bool{}
	}
	d[subscriber][position] = true
}

// sum adds up what the ledger holds.
func (l *ledger) sum(dead deadSet) (Totals, facts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := Totals{Published: l.count, PublishedAgain: l.trouble.publishedAgain(), Handled: map[string]int{}}
	f := facts{confirmed: map[string]int{}, repeated: map[string]int{}, surplus: l.unexplained()}
	for name, part := range l.tallies {
		part.update(func(y *tally) {
			t.Handled[name] = y.handled
			t.Retried += y.retried
			t.DeadLettered += len(y.buried)
			t.Duplicates += y.duplicates
			t.Lost += y.lost(l.stored, dead[name])
			f.confirmed[name], f.repeated[name] = y.confirmed, y.duplicates
			f.strangers += y.strangers
		})
	}
	return t, f
}

// lost counts the stored events that were not handled and are no letters.
func (t *tally) lost(stored []bool, dead map[int]bool) int {
	n := 0
	for position, ok := range stored {
		handled := position < len(t.marks) && t.marks[position].handled
		if ok && !handled && !dead[position] {
			n++
		}
	}
	return n
}
