package oracle

import (
	"fmt"
	"strings"
)

// Invariant is a promise that is checked. Sound is that the evidence contradicts itself
// nowhere and lacks nothing.
type Invariant string

// The invariants.
const (
	Sound         Invariant = "evidence"
	NothingLost   Invariant = "I1"
	InOrder       Invariant = "I2"
	FewRepeats    Invariant = "I3"
	NothingMadeUp Invariant = "I4"
	NothingLeft   Invariant = "I6"
)

const (
	mostExamples   = 10
	indentOfDetail = "\n      "
)

// Promise says the invariant in words.
func (i Invariant) Promise() string {
	switch i {
	case Sound:
		return "the evidence is sound"
	case NothingLost:
		return "nothing accepted is lost"
	case InOrder:
		return "each aggregate in order"
	case FewRepeats:
		return "repeats within the bound"
	case NothingMadeUp:
		return "nothing invented"
	case NothingLeft:
		return "nothing left over"
	}
	return "unknown invariant"
}

// Finding is one way in which a promise is broken.
type Finding struct {
	Invariant  Invariant
	Subscriber string // "<group>.<name>"; empty where it concerns none
	What       string // how it is broken, behind the count
	Count      int
	Examples   []string // at most 10
	Unshown    int      // examples beyond those
}

func newFinding(i Invariant, subscriber, what string) *Finding {
	return &Finding{Invariant: i, Subscriber: subscriber, What: what}
}

// addf counts one more; its text is an example while there are few.
func (f *Finding) addf(format string, args ...any) {
	if len(f.Examples) < mostExamples {
		f.add(1, fmt.Sprintf(format, args...))
		return
	}
	f.add(1, "")
}

// add counts n more, of which one text tells.
func (f *Finding) add(n int, text string) {
	f.Count += n
	if len(f.Examples) == mostExamples {
		f.Unshown++
		return
	}
	f.Examples = append(f.Examples, text)
}

// String returns a paragraph.
func (f *Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", f.Invariant, f.Invariant.Promise())
	if f.Subscriber != "" {
		b.WriteString(" by " + f.Subscriber)
	}
	fmt.Fprintf(&b, " is broken: %d %s", f.Count, f.What)
	for _, x := range f.Examples {
		b.WriteString("\n  - " + strings.ReplaceAll(x, "\n", indentOfDetail))
	}
	if f.Unshown > 0 {
		fmt.Fprintf(&b, "\n  - and %d more", f.Unshown)
	}
	return b.String()
}
