package simulation

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// group is a subscriber's place at the broker. The lock of the world guards it, and
// all that belongs to it.
type group struct {
	*subject
	world   *world
	full    string // "<service>.<name>"
	queues  []*queue
	members []*member
	books   map[string]*book // by event ID
	running []*call
	handled []string        // events in the order of their successes
	exempt  map[string]bool // aggregates whose order the broker has broken itself
	shared  map[string]bool // that two processes may handle at once, since one does not know better
}

// queue is one shard of a group. One source reads it at a time.
type queue struct {
	group    *group
	number   int
	ready    []*item // in the order of their places
	delayed  int
	owner    *source
	reserved *member // that is to read it next
}

// item is a message in a queue.
type item struct {
	engine.Message
	id          string // of its event
	place       uint64
	origin      engine.Origin
	redelivered int
	done        bool // acked, though the caller was told otherwise
}

// store puts a message where it belongs.
func (w *world) store(m *engine.Message) {
	e := w.read(m)
	if e == nil {
		return
	}
	w.positions[m.To.Topic]++
	origin := engine.Origin{Topic: m.To.Topic, Shard: w.shard(m.Key), N: w.positions[m.To.Topic]}
	if m.To.Group != "" {
		g := w.group(m.To.Group)
		if g == nil {
			w.violation(e.ID, "sent to the group %q, which nobody has", m.To.Group)
			return
		}
		g.book(e.ID).moves++
		g.queueOf(m.Key).add(m, e.ID, origin)
		return
	}
	if e.positions = append(e.positions, origin.N); len(e.positions) == 1 {
		w.orders[e.aggregate()] = append(w.orders[e.aggregate()], e)
	}
	for _, g := range w.groups {
		if !w.plan.traits.Routed || g.wants(m.Type) {
			g.queueOf(m.Key).add(m, e.ID, origin)
		}
	}
}

// read returns the event that a message carries.
func (w *world) read(m *engine.Message) *event {
	var id string
	if m.Event != nil {
		id = m.Event.ID
	} else {
		e, err := wire.Decode(m.Header, m.Body)
		if err != nil {
			w.violation("", "a message cannot be read: %v", err)
			return nil
		}
		id = e.ID
	}
	e := w.events[id]
	if e == nil {
		w.violation("", "an event %q that nobody published is sent", id)
	}
	return e
}

func (w *world) shard(key string) uint32 { return uint32(hash(key) % uint64(w.plan.shards)) }

func (g *group) queueOf(key string) *queue { return g.queues[g.world.shard(key)] }

func (q *queue) add(m *engine.Message, id string, origin engine.Origin) {
	it := &item{Message: *m, id: id, origin: origin}
	it.Header = slices.Clone(m.Header)
	if m.Event != nil {
		e := *m.Event
		it.Event = &e
	}
	w := q.group.world
	wait := time.Duration(0)
	if !m.NotBefore.IsZero() {
		wait = m.NotBefore.Sub(w.now())
	}
	if wait <= 0 {
		q.append(it)
		return
	}
	q.delayed++
	time.AfterFunc(wait, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		q.delayed--
		q.append(it)
	})
}

// now is the time by the clock of the processes, which set the earliest times.
func (w *world) now() time.Time {
	if w.clock != nil {
		return w.clock.Now()
	}
	return time.Now()
}

func (q *queue) append(it *item) {
	q.group.world.places++
	it.place = q.group.world.places
	q.ready = append(q.ready, it)
	q.wake()
}

func (q *queue) wake() {
	if q.owner != nil {
		wakeUp(q.owner.wake)
	}
}

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake already
	}
}

// takeBack puts an item where it was.
func (q *queue) takeBack(it *item) {
	it.redelivered++
	at, _ := slices.BinarySearchFunc(q.ready, it, func(a, b *item) int { return cmp.Compare(a.place, b.place) })
	q.ready = slices.Insert(q.ready, at, it)
	q.wake()
}

// free lets another source read the queue.
func (q *queue) free(s *source) {
	if q.owner == s {
		s.disown()
		q.owner = nil
		q.assign()
	}
}

// assign gives the queue to a member, if there is one.
func (q *queue) assign() {
	if q.owner != nil {
		return
	}
	g := q.group
	if q.reserved != nil && !q.reserved.active() {
		q.reserved = nil
	}
	m := q.reserved
	if m == nil {
		active := slices.DeleteFunc(slices.Clone(g.members), func(m *member) bool { return !m.active() })
		if len(active) == 0 {
			return
		}
		m = active[g.world.chance.general.IntN(len(active))]
	}
	q.reserved = nil
	q.owner = newSource(m, q)
	m.pending = append(m.pending, q.owner)
	wakeUp(m.wake)
}

// book is what is known of one event in one group.
type book struct {
	event     *event
	calls     int
	successes int
	failures  int       // that count as attempts
	failed    time.Time // the last of them
	stuck     int
	moves     int             // sent to the group again
	letters   map[string]bool // whether they are still there
	replays   int             // letters that were taken for one
	harm      int             // how often it was or may have been handed over again without need
	returns   int             // how often it came back in good order
}

// done reports whether the event has been handled or buried, so that others may follow.
func (b *book) done() bool { return b.successes > 0 || len(b.letters) > 0 }

// safe reports whether it is handled or stands in the letters now.
func (b *book) safe() bool {
	for _, there := range b.letters {
		if there {
			return true
		}
	}
	return b.successes > 0
}

func (g *group) book(id string) *book {
	b := g.books[id]
	if b == nil {
		b = &book{event: g.world.events[id], letters: map[string]bool{}}
		g.books[id] = b
	}
	return b
}

// event is one that somebody published, or tried to.
type event struct {
	eventbus.DomainEvent
	order     int // in which its publisher published it, from 1; 0: a handler did
	outcome   error
	known     bool     // the outcome
	positions []uint64 // where it was stored
	twice     int      // how often the broker stored it twice
}

func (e *event) aggregate() string { return e.AggregateType + "/" + e.AggregateID }

func (e *event) stored() bool { return len(e.positions) > 0 }
