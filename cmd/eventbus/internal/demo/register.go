package demo

import (
	"fmt"
	"sync"

	"github.com/seed-28af575d/eventbus"
)

// register knows every event of the input by ID and source, in the order of the
// input: the position of an event is how many came before it.
type register struct {
	mu         sync.RWMutex
	entries    map[eventKey]entry
	aggregates map[aggregateKey]*numbering
}

type eventKey struct{ source, id string }

type aggregateKey struct{ kind, id string }

type entry struct{ position, line int }

// numbering is what the versions of one aggregate look like in the input.
type numbering struct {
	last  int64
	sound bool // every event has one, and each is above the one before
}

func newRegister() *register {
	return &register{entries: map[eventKey]entry{}, aggregates: map[aggregateKey]*numbering{}}
}

// enter takes down the next event, from the given line; one that is there already
// is refused.
func (r *register) enter(e *eventbus.DomainEvent, line int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := eventKey{e.Source, e.ID}
	if first, ok := r.entries[key]; ok {
		return fmt.Errorf("duplicate id: %q of source %q is on line %d already", e.ID, e.Source, first.line)
	}
	r.entries[key] = entry{position: len(r.entries), line: line}
	if e.AggregateID != "" {
		r.number(e)
	}
	return nil
}

func (r *register) number(e *eventbus.DomainEvent) {
	key := aggregateKey{e.AggregateType, e.AggregateID}
	n, ok := r.aggregates[key]
	if !ok {
		n = &numbering{sound: true}
		r.aggregates[key] = n
	}
	n.sound = n.sound && e.AggregateVersion > n.last
	n.last = e.AggregateVersion
}

// position returns where the event stands in the input.
func (r *register) position(e *eventbus.DomainEvent) (int, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	found, ok := r.entries[eventKey{e.Source, e.ID}]
	return found.position, ok
}

// numbered reports whether the aggregate's order can be told by its versions: in
// the input as far as it was read, each is above the one before.
func (r *register) numbered(key aggregateKey) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.aggregates[key]
	return ok && n.sound
}

// misnumbered counts the aggregates that have versions, but not in order.
func (r *register) misnumbered() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := 0
	for _, a := range r.aggregates {
		if !a.sound && a.last > 0 {
			n++
		}
	}
	return n
}

func (r *register) size() (events, aggregates int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.entries), len(r.aggregates)
}
