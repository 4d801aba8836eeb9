package keyed

// lane is the queue of one key. It is in the ready list while it has tasks and
// does not run.
type lane[T any] struct {
	key   string
	tasks []T
	busy  bool // ready or running
	next  *lane[T]
}

// lanes are the queues of all keys.
type lanes[T any] struct {
	byKey map[string]*lane[T]
	keep  int // how many lanes may stay in the map while they are empty
	ready list[T]
	spare list[T] // lanes out of the map, so that a steady load allocates nothing
}

func (s *lanes[T]) put(t *Task[T]) {
	l := s.byKey[t.Key]
	if l == nil {
		l = s.spare.pop()
		if l == nil {
			l = &lane[T]{}
		}
		l.key = t.Key
		s.byKey[t.Key] = l
	}
	l.tasks = append(l.tasks, t.Value)
	if !l.busy {
		l.busy = true
		s.ready.push(l)
	}
}

// finish puts a lane that ran back: to the ready ones if it got tasks meanwhile.
// The map stays bounded, whatever the number of keys.
func (s *lanes[T]) finish(l *lane[T]) {
	if len(l.tasks) > 0 {
		s.ready.push(l)
		return
	}
	l.busy = false
	if len(s.byKey) > s.keep {
		delete(s.byKey, l.key)
		l.key = ""
		s.spare.push(l)
	}
}

// list is a queue of lanes through their next fields.
type list[T any] struct{ first, last *lane[T] }

func (q *list[T]) push(l *lane[T]) {
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
}

func (q *list[T]) pop() *lane[T] {
	l := q.first
	if l == nil {
		return nil
	}
	if q.first = l.next; q.first == nil {
		q.last = nil
	}
	l.next = nil
	return l
}
