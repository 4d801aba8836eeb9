package demo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxTypes is how many event types and kinds of letters are shown.
const maxTypes = 20

// table lays rows out in columns: numbers to the right, text to the left. What a
// column holds is told by the last row; the first row may be a heading.
func table(rows [][]string) string {
	last := rows[len(rows)-1]
	widths := make([]int, len(last))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			if isNumber(last[i]) {
				cell = fmt.Sprintf("%*s", widths[i], cell)
			}
			line += fmt.Sprintf("  %-*s", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

func isNumber(cell string) bool { return cell != "" && strings.Trim(cell, "0123456789,.") == "" }

// subscribersText shows what each subscriber has done so far.
func (d *demo) subscribersText() string {
	rows := [][]string{{"subscriber", "handled", "retried", "dead letters"}}
	for _, name := range subscriberNames() {
		d.ledger.tallies[name].update(func(t *tally) {
			rows = append(rows, []string{name, number(t.handled), number(t.retried), number(len(t.buried))})
		})
	}
	return table(rows)
}

// typesText shows the projection: events by type, the most frequent first.
func (p *projection) typesText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := slices.SortedFunc(maps.Keys(p.types), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.types[b], p.types[a]), cmp.Compare(a, b))
	})
	rows := [][]string{{"type", "events"}}
	for _, name := range names[:min(len(names), maxTypes)] {
		rows = append(rows, []string{name, number(p.types[name])})
	}
	return table(rows) + more(len(names), "type")
}

// lettersText shows the dead letters by subscriber, reason and type.
func lettersText(l listing) string {
	if l.letters == 0 {
		return "There are no dead letters."
	}
	rows := [][]string{{"subscriber", "reason", "type", "letters", "error of the first"}}
	groups := l.sorted()
	for _, g := range groups[:min(len(groups), maxTypes)] {
		rows = append(rows, []string{g.subscriber, string(g.reason), g.eventType, number(g.letters), g.example})
	}
	return fmt.Sprintf("%s:\n%s%s", count(l.letters, "dead letter"), table(rows), more(len(groups), "kind"))
}

func more(n int, noun string) string {
	if n <= maxTypes {
		return ""
	}
	return fmt.Sprintf("  and %s more\n", count(n-maxTypes, noun))
}

// text shows the totals.
func (t Totals) text() string {
	rows := [][]string{{"published", number(t.Published)}}
	if t.PublishedAgain > 0 {
		rows = append(rows, []string{"published again", number(t.PublishedAgain)})
	}
	for _, name := range subscriberNames() {
		rows = append(rows, []string{"handled by the " + name, number(t.Handled[name])})
	}
	rows = append(rows,
		[]string{"retried", number(t.Retried)},
		[]string{"dead-lettered", number(t.DeadLettered)},
		[]string{"replayed", number(t.Replayed)},
		[]string{"left in the DLQ", number(t.LeftInDLQ)},
		[]string{"order violations", number(t.OrderViolations)},
		[]string{"lost", number(t.Lost)},
		[]string{"duplicates", number(t.Duplicates)},
		[]string{"seconds", fmt.Sprintf("%.3f", t.Seconds)},
		[]string{"events per second", number(int(t.EventsPerSecond))},
	)
	return table(rows)
}

// verdict is the sentence about sums that add up.
func (t Totals) verdict() string {
	once := " once"
	if t.Duplicates > 0 {
		once = ""
	}
	text := fmt.Sprintf("The sums add up: each of %s was handled%s by each of %s, in order within its aggregate, and no letter is left.",
		count(t.Published, "event"), once, count(len(t.Handled), "subscriber"))
	if t.PublishedAgain > 0 {
		text += fmt.Sprintf("\nThe server did not confirm %s at first: published again, stored at least once.", count(t.PublishedAgain, "event"))
	}
	if t.Duplicates > 0 {
		text += fmt.Sprintf("\n%s came again, as what was published again or under way when the connection was lost may: at least once is the promise.",
			count(t.Duplicates, "delivery"))
	}
	return text
}

// json is the one object of --json.
func (t Totals) json() string {
	out, err := json.Marshal(t)
	if err != nil {
		panic(err) // numbers and names: it cannot fail
	}
	return string(out) + "\n"
}

// number writes n with a comma between thousands.
func number(n int) string {
	s := strconv.Itoa(n)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes a number of things; the noun takes its plural unless it is one.
func count(n int, noun string) string {
	if n != 1 {
		if stem, ok := strings.CutSuffix(noun, "y"); ok {
			noun = stem + "ie"
		}
		noun += "s"
	}
	return number(n) + " " + noun
}
