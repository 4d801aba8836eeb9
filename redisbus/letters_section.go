package redisbus

import (
	"math"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus/dlq"
)

// letterKind says what a section of the index is about: the first byte of its members.
type letterKind byte

const (
	everyLetter  letterKind = 'a'
	byGroup      letterKind = 'g'
	bySubscriber letterKind = 's'
	byType       letterKind = 't'
	byReason     letterKind = 'r'
	byTime       letterKind = 'f'
	byID         letterKind = 'i' // none of the index: the letters under the IDs of a filter
)

// letterSection is a part of the index: the members that begin alike, in the order of their
// places.
type letterSection struct {
	kind     letterKind
	prefix   string
	from, to uint64 // byTime: the times in it
}

func newLetterSection(kind letterKind, values ...string) letterSection {
	return letterSection{kind: kind, prefix: strings.Join(append([]string{string(rune(kind))}, values...), "\x00") + "\x00"}
}

// between is the part of a section byTime with these times.
func (x letterSection) between(from, to uint64) letterSection {
	x.from, x.to = from, to
	return x
}

// start is before the first letter.
func (x letterSection) start() letterPlace { return letterPlace{time: x.from} }

// behind is the lower bound of the letters behind the place.
func (x letterSection) behind(p letterPlace) string { return "(" + x.prefix + x.place(p) + "\x01" }

// upTo is the upper bound of the letters with a number up to end. Byte 1 is what follows
// the zero behind a number; of a section byTime all numbers are within the bound.
func (x letterSection) upTo(end uint64) string {
	if x.kind == byTime {
		end = x.to
	}
	return "(" + x.prefix + letterHex(end) + "\x01"
}

// whole are both bounds of the section.
func (x letterSection) whole() [2]string {
	return [2]string{x.behind(x.start()), x.upTo(math.MaxUint64)}
}

func (x letterSection) place(p letterPlace) string {
	if x.kind == byTime {
		return letterHex(p.time) + "\x00" + letterHex(p.n)
	}
	return letterHex(p.n)
}

// width is how many bytes a place has.
func (x letterSection) width() int { return len(x.place(letterPlace{})) }

func (x letterSection) parsePlace(s string) (p letterPlace, ok bool) {
	if x.kind == byTime {
		time, n, _ := strings.Cut(s, "\x00")
		if p.time, ok = parseLetterHex(time); !ok {
			return p, false
		}
		s = n
	}
	p.n, ok = parseLetterHex(s)
	return p, ok
}

// letterGroups are the service groups that the filter selects, once each: every one if
// there is none in the list, none at all unless some.
func letterGroups(f *dlq.Filter) (groups []string, some bool) {
	groups = slices.Clone(f.Groups)
	slices.Sort(groups)
	groups = slices.Compact(groups)
	if f.Group == "" {
		return groups, true
	}
	return []string{f.Group}, len(groups) == 0 || slices.Contains(groups, f.Group)
}

// letterSections are the sections of the index of which each has all letters that the
// filter selects, the most likely first; none if it selects no letter.
func letterSections(f *dlq.Filter) []letterSection {
	groups, some := letterGroups(f)
	switch {
	case !some || unheardOf(f, groups):
		return nil
	case len(f.IDs) > 0:
		return []letterSection{{kind: byID}}
	case len(groups) != 1:
		return []letterSection{newLetterSection(everyLetter)}
	}
	return append(narrowSections(f, groups[0]), newLetterSection(byGroup, groups[0]))
}

// narrowSections are those that a condition beside the group leads to.
func narrowSections(f *dlq.Filter, group string) (out []letterSection) {
	if f.Subscriber != "" {
		out = append(out, newLetterSection(bySubscriber, group, f.Subscriber))
	}
	if f.Type != "" && !strings.ContainsAny(string(f.Type), "*#") {
		out = append(out, newLetterSection(byType, group, string(f.Type)))
	}
	if f.Reason != "" {
		out = append(out, newLetterSection(byReason, group, string(f.Reason)))
	}
	if !f.After.IsZero() || !f.Before.IsZero() {
		out = append(out, newLetterSection(byTime, group).between(letterTimes(f)))
	}
	return out
}

// letterTimes are the first and the last time, as the index has it, of a letter that the
// filter may select.
func letterTimes(f *dlq.Filter) (from, to uint64) {
	from, to = letterMillis(f.After), math.MaxUint64
	if !f.Before.IsZero() {
		to = letterMillis(f.Before)
	}
	return from, to
}

// unheardOf reports whether no letter can match, since none is stored with a zero byte in
// what the index is made of. It would be taken for the end of a value.
func unheardOf(f *dlq.Filter, groups []string) bool {
	return strings.Contains(strings.Join(groups, "")+f.Subscriber+string(f.Type)+string(f.Reason), "\x00")
}
