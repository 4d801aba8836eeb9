package wire

import (
	"strconv"
	"strings"
	"time"
)

const factPrefix = "eventbus-"

// Facts are what delivery has found out about a message. They travel beside the
// event, in headers of ours, and are zero for a message that is delivered for
// the first time.
type Facts struct {
	Attempts int       // that failed
	First    time.Time // of the failures
	Origin   string    // where the message stood first
	Replays  int
	Letter   string // that it was replayed from: its ID, and which life of it that is
	Crashes  int
}

// Append adds the facts that are not zero.
func (f Facts) Append(h []Field) []Field {
	h = appendCount(h, "eventbus-attempts", f.Attempts)
	h = appendText(h, "eventbus-first-failure", stamp(f.First))
	h = appendText(h, "eventbus-origin", f.Origin)
	h = appendCount(h, "eventbus-replays", f.Replays)
	h = appendText(h, "eventbus-letter", f.Letter)
	return appendCount(h, "eventbus-crashes", f.Crashes)
}

func appendCount(h []Field, name string, n int) []Field {
	if n <= 0 {
		return h
	}
	return append(h, Field{name, strconv.Itoa(n)})
}

func appendText(h []Field, name, value string) []Field {
	if value == "" {
		return h
	}
	return append(h, Field{name, value})
}

// ReadFacts returns the facts in a header. It never fails: what cannot be read,
// or is negative, is zero.
func ReadFacts(h []Field) Facts {
	var f Facts
	for i := range h {
		if isFact(h[i].Name) {
			f.read(h[i])
		}
	}
	return f
}

func (f *Facts) read(h Field) {
	switch h.Name[len(factPrefix):] {
	case "attempts":
		f.Attempts = count(h.Value)
	case "first-failure":
		f.First = moment(h.Value)
	case "origin":
		f.Origin = h.Value
	case "replays":
		f.Replays = count(h.Value)
	case "letter":
		f.Letter = h.Value
	case "crashes":
		f.Crashes = count(h.Value)
	}
}

// moment reads a time of the years 1 to 9999 in UTC, which are those that stamp can
// write.
func moment(s string) time.Time {
	t, err := parseTime(s)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

func count(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// StripFacts returns the header without our facts: h itself where it has none,
// else a new slice. It never changes h.
func StripFacts(h []Field) []Field {
	n := 0
	for i := range h {
		if isFact(h[i].Name) {
			n++
		}
	}
	if n == 0 {
		return h
	}
	out := make([]Field, 0, len(h)-n)
	for i := range h {
		if !isFact(h[i].Name) {
			out = append(out, h[i])
		}
	}
	return out
}

func isFact(name string) bool { return strings.HasPrefix(name, factPrefix) }
