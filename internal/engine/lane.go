package engine

// lane holds the deliveries of one aggregate, which are handled one after another,
// first in, first out. A delivery that belongs to no order has a lane to itself.
// Lanes belong to the lock of their subscription, which keeps them over all feeds:
// an event that comes again over a new connection waits for its own last attempt.
type lane struct {
	key         laneKey
	keyed       bool // it is in the map
	state       laneState
	first, last *flight
	next        *lane // in the queue of those that are ready, or of those that are idle
	before      *lane // in the latter
}

type laneKey struct{ topic, id string }

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
	k := laneKey{f.To.Topic, f.Key}
	keyed := f.Key != "" && !s.sub.Unordered
	if keyed {
		if l := s.lanes[k]; l != nil {
			if l.state != laneIdle {
				return l, false
			}
			s.idleLanes.remove(l)
			return l, true
		}
	}
	l = s.hangar.lane()
	if keyed {
		l.key, l.keyed = k, true
		s.lanes[k] = l
	}
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
	if l.keyed {
		l.state = laneIdle
		s.idleLanes.push(l)
		if s.idleLanes.n <= mostKept {
			return
		}
		l = s.idleLanes.first
		s.idleLanes.remove(l)
		delete(s.lanes, l.key)
	}
	*l = lane{}
	if s.hangar.kept >= mostKept {
		return
	}
	s.hangar.kept++
	l.next = s.hangar.lanes
	s.hangar.lanes = l
}
