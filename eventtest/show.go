package eventtest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-28af575d/eventbus"
)

const (
	mostShown = 20 // events of a list
	mostData  = 80 // bytes of a payload
	mostWord  = 64 // bytes of an ID
)

// fatal ends the test and shows what was published.
func (r *Recorder) fatal(format string, args ...any) {
	r.tb.Helper()
	r.tb.Fatalf("eventtest: %s%s", fmt.Sprintf(format, args...), r.story())
}

// story tells what was published and what failed, the last ones.
func (r *Recorder) story() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "\npublished: %d events", len(r.published))
	for _, e := range r.published[earlier(&b, len(r.published)):] {
		fmt.Fprintf(&b, "\n  %s", line(e))
	}
	if len(r.failed) > 0 {
		fmt.Fprintf(&b, "\nfailed: %d events", len(r.failed))
		for _, f := range r.failed[earlier(&b, len(r.failed)):] {
			fmt.Fprintf(&b, "\n  %s: %s", line(f.Event), cut(f.Err.Error(), 4*mostData))
		}
	}
	return b.String()
}

// earlier says how many events are left out, and returns where the list begins.
func earlier(b *strings.Builder, n int) int {
	if n <= mostShown {
		return 0
	}
	fmt.Fprintf(b, ", the last %d:", mostShown)
	return n - mostShown
}

// line shows one event.
func line(e eventbus.DomainEvent) string {
	return fmt.Sprintf("%s of %s, ID %s: %s", cut(e.Type, mostWord), cut(e.AggregateID, mostWord), cut(e.ID, mostWord), cut(string(e.Data()), mostData))
}

// cut shows a text in one line of so many bytes.
func cut(s string, most int) string {
	more := ""
	if len(s) > most {
		more = fmt.Sprintf("… (%d bytes)", len(s))
		for most > 0 && !utf8.RuneStart(s[most]) { // not half a character
			most--
		}
		s = s[:most]
	}
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		s = strconv.Quote(s)
	}
	return s + more
}
