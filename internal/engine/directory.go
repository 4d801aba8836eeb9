package engine

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

// directory says who gets which event type. It never changes: what changes is which
// directory the bus has, so that reading it takes no lock.
type directory struct {
	all   []*recipient // in the order of their registration
	types map[string]*audience
}

// audience are those who get events of one type.
type audience struct {
	to    []*recipient
	known binding // of the type's payload
}

// knownTypes is for how many event types the audience is kept; that of others is
// worked out for each event.
const knownTypes = 4096

// with returns the directory with one more recipient.
func (t *directory) with(r *recipient) *directory {
	return &directory{all: append(slices.Clone(t.all), r)}
}

// without returns the directory without a recipient.
func (t *directory) without(r *recipient) *directory {
	return &directory{all: slices.DeleteFunc(slices.Clone(t.all), func(o *recipient) bool { return o == r })}
}

// byGroup returns the recipient of a group, or nil.
func (t *directory) byGroup(group string) *recipient {
	for _, r := range t.all {
		if r.group == group {
			return r
		}
	}
	return nil
}

// learn works out who gets an event type, and remembers it.
func (d *Direct) learn(eventType string, known binding) *audience {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.directory.Load()
	a := &audience{known: known}
	for _, r := range t.all {
		if slices.ContainsFunc(r.patterns, func(p eventbus.Pattern) bool { return p.Match(eventType) }) {
			a.to = append(a.to, r)
		}
	}
	if len(t.types) < knownTypes {
		types := make(map[string]*audience, len(t.types)+1)
		maps.Copy(types, t.types)
		types[strings.Clone(eventType)] = a
		d.directory.Store(&directory{all: t.all, types: types})
	}
	return a
}
