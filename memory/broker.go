package memory

import (
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Broker is what buses of one process share when they stand for instances of a
// service, or for several services: the groups with what waits in them, the dead
// letters, and what the ledger holds. It runs no goroutine and needs no closing.
// All methods may be called concurrently.
type Broker struct {
	options BrokerOptions
	letters dlq.Store
	ledger  *ledger
	table   atomic.Pointer[table]
	number  atomic.Uint64 // of the last message
	beyond  atomic.Uint64 // messages taken beyond a bound
	chunks  sync.Pool     // of the queues, as are the items: both are empty
	items   sync.Pool

	mu sync.Mutex // for replacing the table
}

// NewBroker makes an empty broker, or says everything that is wrong with the
// options.
func NewBroker(o BrokerOptions) (*Broker, error) {
	if err := o.validate(); err != nil {
		return nil, optionsError(err)
	}
	o = o.withDefaults()
	b := &Broker{
		options: o,
		letters: dlq.NewMemoryStore(dlq.MemoryOptions{Max: o.MaxLetters, Now: o.Clock.Now}),
		ledger:  &ledger{},
	}
	b.table.Store(&table{groups: map[string]route{}, types: map[string]route{}})
	return b, nil
}

// route finds where a message goes: nowhere is no error.
func (b *Broker) route(m *engine.Message) (route, error) {
	t := b.table.Load()
	if m.To.Group != "" {
		r, ok := t.groups[m.To.Group]
		if !ok {
			return nil, refused(noSuchGroup(m.To.Group))
		}
		return r, nil
	}
	if m.Type == "" {
		return t.byTopic(m.To.Topic), nil
	}
	if r, ok := t.types[m.Type]; ok {
		return r, nil
	}
	if len(t.types) >= knownTypes {
		return t.byType(m.Type), nil
	}
	return b.learn(m.Type), nil
}

// learn works out the route of an event type and keeps it until the groups change.
func (b *Broker) learn(eventType string) route {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	r := t.byType(eventType)
	b.table.Store(t.learn(eventType, r))
	return r
}

// store puts the message into all queues of the route, or into none and returns
// one that has no room. All queues see all messages in one order.
func (b *Broker) store(m *engine.Message, r route) (full *queue) {
	r.lock()
	defer r.unlock()
	if !m.Beyond {
		full = r.take()
	} else if r.takeBeyond() {
		b.beyond.Add(1)
	}
	if full == nil {
		b.add(m, r)
	}
	return full
}

// storeTaken stores a message for which room was taken before.
func (b *Broker) storeTaken(m *engine.Message, r route) {
	r.lock()
	defer r.unlock()
	b.add(m, r)
}

func (b *Broker) add(m *engine.Message, r route) {
	number := b.number.Add(1)
	for _, q := range r {
		q.add(m, number)
	}
}

// join makes the group if there is none, adds the patterns to its own, and
// makes a member. Patterns are never taken away: while instances are replaced one by one,
// old and new ones are members together, and neither may miss what it asked for.
func (b *Broker) join(name string, patterns []eventbus.Pattern) *source {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	q := t.queue(name)
	if q == nil {
		q = newQueue(name, b)
	}
	b.table.Store(t.bind(q, patterns))
	return q.enter()
}
