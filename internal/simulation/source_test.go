package simulation

import (
	"context"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// member is one subscription of a process.
type member struct {
	*process
	group   *group
	wake    chan struct{}
	pending []*source // that Next is to return
	closed  bool

	lateAcks int // answered with ErrGone
	losses   int // deliveries that went with their sources or leases
}

func (m *member) active() bool { return !m.closed && !m.dead }

// Next waits for a queue to read.
func (m *member) Next(ctx context.Context) (engine.Source, error) {
	w := m.world
	for {
		w.mu.Lock()
		failing := m.dead || w.strikes(nextFails)
		if len(m.pending) > 0 && !failing {
			s := m.pending[0]
			m.pending = m.pending[1:]
			w.note(m.name, "", "opened "+s.name())
			w.mu.Unlock()
			return s, nil
		}
		w.mu.Unlock()
		if failing {
			return nil, errDown
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close leaves the group.
func (m *member) Close(context.Context) error {
	w := m.world
	w.mu.Lock()
	defer w.mu.Unlock()
	m.leave()
	return nil
}

// leave forgets the member.
func (m *member) leave() {
	if m.closed {
		m.world.violation("", "%s: a member of %s is closed twice", m.process.name, m.group.full)
	}
	m.closed = true
	m.group.members = slices.DeleteFunc(m.group.members, func(x *member) bool { return x == m })
	for _, s := range m.pending {
		s.queue.free(s)
	}
	m.pending = nil
	for _, q := range m.group.queues {
		if q.owner != nil && q.owner.member == m && !m.dead {
			m.world.violation("", "%s: a member of %s is closed before its source", m.process.name, m.group.full)
		}
		q.assign() // what was reserved for it
	}
}

// source reads one queue for one member.
type source struct {
	*member
	queue  *queue
	wake   chan struct{}
	out    map[uint64]*item // that are not acked
	acked  map[uint64]bool
	lost   map[uint64]loss
	gone   bool // it has ended, from which the broker's side has told so
	told   bool // the engine
	stays  bool // the next source of the queue is the same member's
	closed bool
	calls  [2]string // what the receiver and the settler do
}

// loss is a lease that was lost, maybe while a handler ran.
type loss struct {
	at   time.Time
	call *call
}

func newSource(m *member, q *queue) *source {
	return &source{
		member: m, queue: q, wake: make(chan struct{}, 1),
		out: map[uint64]*item{}, acked: map[uint64]bool{}, lost: map[uint64]loss{},
	}
}

func (s *source) name() string { return s.group.full + "/" + string(rune('0'+s.queue.number)) }

// use notes a call of the engine. No two of one kind are under way at once.
func (s *source) use(kind int, call string) (end func()) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.closed || s.calls[kind] != "" {
		w.violation("", "%s: %s of %s while %q or closed", s.process.name, call, s.name(), s.calls[kind])
	}
	s.calls[kind] = call
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		s.calls[kind] = ""
	}
}

// Receive waits for deliveries.
func (s *source) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	defer s.use(0, "Receive")()
	w := s.world
	switch {
	case !w.delay(ctx, receiveLate, 50*time.Millisecond):
		return nil, ctx.Err()
	case w.draw(receiveFails):
		return nil, errDown
	case w.draw(receiveIdle):
		return nil, nil
	case w.draw(receiveGone):
		w.mu.Lock()
		s.end("gone while receiving")
		w.mu.Unlock()
	}
	for {
		w.mu.Lock()
		ds, err := s.take(most)
		w.mu.Unlock()
		if len(ds) > 0 || err != nil {
			return ds, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take hands over what is ready.
func (s *source) take(most int) ([]*engine.Delivery, error) {
	if s.gone {
		return nil, s.tell()
	}
	var ds []*engine.Delivery
	for len(s.queue.ready) > 0 && len(ds) < most {
		it := s.queue.ready[0]
		s.queue.ready = s.queue.ready[1:]
		ds = append(ds, s.hand(it))
		if len(ds) < most && s.world.strikes(receiveTwice) {
			again := *it
			again.redelivered++
			s.group.book(it.id).harm++
			ds = append(ds, s.hand(&again))
		}
	}
	return ds, nil
}

func (s *source) hand(it *item) *engine.Delivery {
	w := s.world
	w.receipts++
	s.out[w.receipts] = it
	d := &engine.Delivery{Message: it.Message, Receipt: engine.Receipt{N: w.receipts}, Origin: it.origin, Redelivered: it.redelivered}
	if it.Event != nil {
		e := *it.Event
		d.Event = &e
	}
	w.note(s.process.name, it.id, "received from "+s.name())
	return d
}

// end makes the source gone: its deliveries are the queue's again.
func (s *source) end(why string) {
	if s.gone {
		return
	}
	w := s.world
	w.note(s.process.name, "", s.name()+" "+why)
	s.gone, s.stays = true, w.chance.coin()
	s.losses += len(s.out)
	s.giveBack(func(*item) bool { return true })
	wakeUp(s.wake)
	time.AfterFunc(session, func() { // it is taken from a member that does not notice
		w.mu.Lock()
		defer w.mu.Unlock()
		if s.queue.owner == s {
			w.note(s.process.name, "", s.name()+" is taken away")
			s.spoil()
			s.queue.free(s)
		}
	})
}

// session is how long a member may take to let go of a source.
const session = 10 * time.Second

// spoil exempts all aggregates of the queue: two processes believe that it is theirs.
func (s *source) spoil() {
	for _, e := range s.world.events {
		if s.group.queueOf(e.AggregateID) == s.queue {
			s.group.exempt[e.aggregate()], s.group.shared[e.aggregate()] = true, true
		}
	}
}

// tell says that the source is gone.
func (s *source) tell() error {
	if !s.told && s.stays {
		s.queue.reserved = s.member
		s.queue.free(s)
	}
	s.told = true
	return engine.ErrGone
}

// giveBack returns what is not acked to the queue. Harm is done where an event may
// have been handled already, or is being handled.
func (s *source) giveBack(harmful func(*item) bool) {
	for n, it := range s.out {
		delete(s.out, n)
		if it.done {
			continue
		}
		b := s.group.book(it.id)
		b.returns++
		if harmful(it) {
			b.harm++
		}
		s.world.note(s.process.name, it.id, "back in "+s.name())
		s.queue.takeBack(it)
	}
}

// disown notes that running handlers may soon have company in another process.
func (s *source) disown() {
	for _, c := range s.group.running {
		if c.process == s.process && s.group.queueOf(c.book.event.AggregateID) == s.queue {
			c.disowned = true
		}
	}
}
