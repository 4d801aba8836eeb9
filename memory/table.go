package memory

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

// knownTypes is for how many event types the routes are kept. Beyond it they are
// worked out for each event: a stream of types that never repeat takes time, not
// memory.
const knownTypes = 4096

// table says where messages go. It never changes: what changes is which table the
// broker has, so that reading it takes no lock.
type table struct {
	bindings []binding        // in the order of their making
	groups   map[string]route // each leads to one queue
	types    map[string]route // those that were asked for so far
}

// binding is a queue and the patterns of its members, those of past ones included.
type binding struct {
	*queue
	patterns []eventbus.Pattern
}

// queue returns the queue of the group, or nil.
func (t *table) queue(group string) *queue {
	if r := t.groups[group]; len(r) > 0 {
		return r[0]
	}
	return nil
}

// bind returns the table with the patterns added to the queue's.
func (t *table) bind(q *queue, patterns []eventbus.Pattern) *table {
	next := &table{bindings: slices.Clone(t.bindings), groups: maps.Clone(t.groups), types: map[string]route{}}
	i := slices.IndexFunc(next.bindings, func(b binding) bool { return b.queue == q })
	if i < 0 {
		i = len(next.bindings)
		next.bindings = append(next.bindings, binding{queue: q})
		next.groups[q.name] = route{q}
	}
	all := append(slices.Clone(next.bindings[i].patterns), patterns...)
	slices.Sort(all)
	next.bindings[i].patterns = slices.Compact(all)
	return next
}

// without returns the table without the queue.
func (t *table) without(q *queue) *table {
	next := &table{bindings: slices.Clone(t.bindings), groups: maps.Clone(t.groups), types: map[string]route{}}
	next.bindings = slices.DeleteFunc(next.bindings, func(b binding) bool { return b.queue == q })
	delete(next.groups, q.name)
	return next
}

// learn returns the table with the route of one more event type.
func (t *table) learn(eventType string, r route) *table {
	types := maps.Clone(t.types)
	types[strings.Clone(eventType)] = r
	return &table{bindings: t.bindings, groups: t.groups, types: types}
}

// byType works out where an event type goes.
func (t *table) byType(eventType string) route {
	return t.where(func(p eventbus.Pattern) bool { return p.Match(eventType) })
}

// byTopic works out where messages go of which only the topic is known: to all
// that could want one of its types. Rather one too many: what nobody can read
// becomes a dead letter of each, instead of being lost.
func (t *table) byTopic(topic string) route {
	return t.where(func(p eventbus.Pattern) bool {
		first, _, _ := strings.Cut(string(p), ".")
		return first == "*" || first == "#" || first == topic
	})
}

func (t *table) where(wanted func(eventbus.Pattern) bool) route {
	var r route
	for _, b := range t.bindings {
		if slices.ContainsFunc(b.patterns, wanted) {
			r = append(r, b.queue)
		}
	}
	return r
}
