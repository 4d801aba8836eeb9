package memory

import (
	"container/list"
	"math"
)

// room counts what is in a queue against its bound. Whoever finds none waits in
// line, and is given what becomes free in the order of coming: while somebody
// waits, there is none for others. The lock of the queue guards it.
type room struct {
	bound int
	taken int
	line  list.List // of chan struct{}, which is closed when room was given
}

func (r *room) free() bool { return r.taken < r.bound }

// wait stands in line.
func (r *room) wait() (place *list.Element, given <-chan struct{}) {
	ch := make(chan struct{})
	return r.line.PushBack(ch), ch
}

// leave gives up a place in line; what was given to it meanwhile goes to the next.
func (r *room) leave(place *list.Element, given <-chan struct{}) {
	select {
	case <-given:
		r.giveBack(1)
	default:
		r.line.Remove(place)
	}
}

// giveBack makes room for n.
func (r *room) giveBack(n int) {
	r.taken -= n
	for r.free() && r.line.Len() > 0 {
		if ch, ok := r.line.Remove(r.line.Front()).(chan struct{}); ok {
			r.taken++
			close(ch)
		}
	}
}

// open lets in everybody, now and from now on.
func (r *room) open() {
	r.bound = math.MaxInt
	r.giveBack(0)
}
