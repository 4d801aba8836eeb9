package memory

import (
	"cmp"
	"slices"
	"sync"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// item is a message in a queue, in the form in which it is handed over. It is used
// again when it was acked.
type item struct {
	engine.Delivery
	event eventbus.DomainEvent // what the delivery refers to, by reference: a copy for each queue
	place uint64               // in the queue, from when its time has come
	next  *item                // among those that are spare
}

// spareItems is how many items a queue keeps to be used again. More go to a pool,
// from which the garbage collector may take them: a queue that was long once does
// not stay large.
const spareItems = 256

// queue is a group: what waits for its members. It outlives them.
type queue struct {
	name  string
	clock eventbus.Clock
	wake  chan struct{} // tells one idle receiver that something is ready

	mu      sync.Mutex
	members []*source
	idle    int // receivers that wait
	room    room
	ready   fifo
	back    []*item // given back, the first to go out last; all before what is ready
	delayed delayed
	spare   *item // linked by next
	spares  int
	items   *sync.Pool     // of more spare ones; the broker's, for all queues
	timer   eventbus.Timer // for the first of the delayed; nil until there is one
	places  uint64
	deleted bool
}

func newQueue(name string, b *Broker) *queue {
	return &queue{
		name:  name,
		clock: b.options.Clock,
		wake:  make(chan struct{}, 1),
		room:  room{bound: b.options.Capacity},
		ready: fifo{pool: &b.chunks},
		items: &b.items,
	}
}

// item returns one for a message. The caller holds the lock.
func (q *queue) item(m *engine.Message, number uint64) *item {
	it := q.unused()
	it.Message, it.Redelivered, it.Err = *m, 0, nil
	it.Header = slices.Clone(m.Header) // which is the sender's, as all that it has given
	if m.Event != nil {
		it.event = *m.Event
		it.Event = &it.event
	}
	it.Origin = engine.Origin{Topic: m.To.Topic, N: number}
	return it
}

func (q *queue) unused() *item {
	if it := q.spare; it != nil {
		q.spare, it.next = it.next, nil
		q.spares--
		return it
	}
	if it, ok := q.items.Get().(*item); ok {
		return it
	}
	return new(item)
}

// reuse keeps an item that nobody refers to any more. The caller holds the lock.
func (q *queue) reuse(it *item) {
	if q.spares == spareItems {
		*it = item{}
		q.items.Put(it)
		return
	}
	*it = item{} // or it would keep its event alive
	it.next, q.spare = q.spare, it
	q.spares++
}

// add puts the message at the end, now or when its time has come. Room for it was
// taken. The caller holds the lock.
func (q *queue) add(m *engine.Message, number uint64) {
	if q.deleted {
		return
	}
	it := q.item(m, number)
	if !it.NotBefore.IsZero() && it.NotBefore.After(q.clock.Now()) {
		q.delayed.push(it)
		if q.delayed[0] == it {
			q.setTimer()
		}
		return
	}
	q.append(it)
	q.signal()
}

func (q *queue) append(it *item) {
	q.places++
	it.place = q.places
	q.ready.push(it)
}

// next removes what goes out next and returns it, or nil. The caller holds the
// lock.
func (q *queue) next() *item {
	last := len(q.back) - 1
	if last < 0 {
		return q.ready.pop()
	}
	it := q.back[last]
	q.back[last] = nil
	if q.back = q.back[:last]; last == 0 {
		q.back = nil
	}
	return it
}

// takeBack puts items in front of all others, where they were: copies of them,
// since those they were handed to may still look at them. The caller holds the lock.
func (q *queue) takeBack(items []*item) {
	if len(items) == 0 || q.deleted {
		return
	}
	for _, it := range items {
		mine := *it
		if it.Event != nil {
			mine.Event = &mine.event
		}
		mine.Redelivered++
		q.back = append(q.back, &mine)
	}
	slices.SortFunc(q.back, func(a, b *item) int { return cmp.Compare(b.place, a.place) })
	q.signal()
}

// signal wakes a receiver if there is one and something for it. It is called after
// every change of either, so that nobody sleeps on what is ready: whoever is woken
// wakes the next. The caller holds the lock.
func (q *queue) signal() {
	if q.idle == 0 || q.available() == 0 {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default: // one is being woken already
	}
}

func (q *queue) available() int { return q.ready.n + len(q.back) }

func (q *queue) waiting() int { return q.available() + len(q.delayed) }

// setTimer sets the timer to the first of the delayed. Without a member there is
// nobody to hand it to, and none runs. The caller holds the lock.
func (q *queue) setTimer() {
	if len(q.members) == 0 || len(q.delayed) == 0 {
		if q.timer != nil {
			q.timer.Stop()
		}
		return
	}
	wait := max(0, q.delayed[0].NotBefore.Sub(q.clock.Now()))
	if q.timer == nil {
		q.timer = q.clock.AfterFunc(wait, q.promote)
		return
	}
	q.timer.Reset(wait)
}

// promote makes ready what is due.
func (q *queue) promote() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	for len(q.delayed) > 0 && !q.delayed[0].NotBefore.After(now) {
		q.append(q.delayed.pop())
	}
	q.setTimer()
	q.signal()
}

// enter makes a member.
func (q *queue) enter() *source {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := newSource(q)
	q.members = append(q.members, s)
	q.setTimer()
	return s
}

// leave forgets a member.
func (q *queue) leave(s *source) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.members = slices.DeleteFunc(q.members, func(m *source) bool { return m == s })
	q.setTimer()
}

// delete drops what is in the queue, and what comes, unless it has members: then
// it returns their number.
func (q *queue) delete() (members int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.members) > 0 {
		return len(q.members)
	}
	q.deleted = true
	q.drop()
	q.room.open()
	return 0
}

// reset drops what is in the queue, unless it has members: then it returns their
// number.
func (q *queue) reset() (members int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.members) > 0 {
		return len(q.members)
	}
	n := q.waiting()
	q.drop()
	q.room.giveBack(n)
	return 0
}

// drop forgets what is in the queue. The caller holds the lock.
func (q *queue) drop() {
	q.ready, q.back, q.delayed = fifo{pool: q.ready.pool}, nil, nil
	q.setTimer()
}
