package engine

// lane holds the deliveries of one aggregate, which are handled one after another,
// first in, first out. A delivery that belongs to no order has a lane to itself.
// Lanes belong to the lock of their subscription, which keeps them over all feeds:
// an event that comes again over a new connection waits for its own last attempt.
type lane struct {
	topic       *topic // that it is kept in; nil: it has no key
	key         string
	state       laneState
	first, last *flight
	next        *lane // in the queue of those that are ready, or of those that are idle
	before      *lane // in the latter
}

// topics hold the lanes by aggregate type and ID: most events have the type of the one
// before, and one string is looked up faster than two.
type topics struct {
	byName map[string]*topic
	last   *topic
}

type topic struct {
	name  string
	lanes map[string]*lane // by aggregate ID
}

func (t *topics) topic(name string) *topic {
	if t.last != nil && t.last.name == name {
		return t.last
	}
	found := t.byName[name]
	if found == nil {
		found = &topic{name: name, lanes: map[string]*lane{}}
		t.byName[name] = found
	}
	t.last = found
	return found
}

// forget drops a lane, and its topic with the last one.
func (t *topics) forget(l *lane) {
	delete(l.topic.lanes, l.key)
	if len(l.topic.lanes) > 0 {
		return
	}
	delete(t.byName, l.topic.name)
	if t.last == l.topic {
		t.last = nil
	}
}

type laneState int

const (
	laneReady   laneState = iota // in the queue
	laneRunning                  // a worker has its first flight
	laneWaiting                  // its first flight waits for another attempt
	laneStopped                  // its first flight will be given back
	laneIdle                     // it is empty, and kept for the next of its key
)

func (l *lane) push(f *flight) {
	f.lane = l
	if l.last == nil {
		l.first = f
	} else {
		l.last.next = f
	}
	l.last = f
}

// remove takes a flight out, wherever it stands.
func (l *lane) remove(f *flight) {
	var before *flight
	for g := l.first; g != f; g = g.next {
		before = g
	}
	if before == nil {
		l.first = f.next
	} else {
		before.next = f.next
	}
	if l.last == f {
		l.last = before
	}
	f.next, f.lane = nil, nil
}

// laneList is a list of idle lanes, the one that was idle for longest first.
type laneList struct {
	first, last *lane
	n           int
}

func (q *laneList) push(l *lane) {
	l.before, l.next = q.last, nil
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
	q.n++
}

func (q *laneList) remove(l *lane) {
	if l.before == nil {
		q.first = l.next
	} else {
		l.before.next = l.next
	}
	if l.next == nil {
		q.last = l.before
	} else {
		l.next.before = l.before
	}
	l.before, l.next = nil, nil
	q.n--
}

// laneQueue is a queue of lanes that are ready.
type laneQueue struct{ first, last *lane }

func (q *laneQueue) push(l *lane) {
	l.next = nil
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
}

func (q *laneQueue) pushFront(l *lane) {
	l.next = q.first
	q.first = l
	if q.last == nil {
		q.last = l
	}
}

func (q *laneQueue) pop() *lane {
	l := q.first
	if l == nil {
		return nil
	}
	q.first = l.next
	if q.first == nil {
		q.last = nil
	}
	l.next = nil
	return l
}

// lane returns the lane of a flight, which it makes if there is none.
func (s *subscription) laneOf(f *flight) (l *lane, fresh bool) {
	if f.Key == "" || s.sub.Unordered {
		return s.hangar.lane(), true
	}
	t := s.topics.topic(f.To.Topic)
	if l := t.lanes[f.Key]; l != nil {
		if l.state != laneIdle {
			return l, false
		}
		s.idleLanes.remove(l)
		return l, true
	}
	l = s.hangar.lane()
	l.topic, l.key = t, f.Key
	t.lanes[f.Key] = l
	return l, true
}

func (h *hangar) lane() *lane {
	l := h.lanes
	if l == nil {
		return new(lane)
	}
	h.lanes = l.next
	h.kept--
	l.next = nil
	return l
}

// closeLane puts an empty lane aside: its key may well come again. What has been
// idle for longest goes when there are too many.
func (s *subscription) closeLane(l *lane) {
	if l.topic != nil {
		l.state = laneIdle
		s.idleLanes.push(l)
		if s.idleLanes.n <= mostKept {
			return
		}
		l = s.idleLanes.first
		s.idleLanes.remove(l)
		s.topics.forget(l)
	}
	*l = lane{}
	if s.hangar.kept >= mostKept {
		return
	}
	s.hangar.kept++
	l.next = s.hangar.lanes
	s.hangar.lanes = l
}
