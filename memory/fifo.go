package memory

import "sync"

// chunkSize is how many items a chunk holds: few enough to be given back soon.
const chunkSize = 64

// fifo is a queue of items. It is made of chunks, so that growing and shrinking
// never copies what is in it, however much that is.
type fifo struct {
	pool        *sync.Pool // of empty chunks; the broker's, for all queues
	head, tail  *chunk
	first, last int // the next item in the head, the next room in the tail
	n           int
}

// chunk is a part of a fifo. Items are cleared when they leave it, or it would
// keep the events alive.
type chunk struct {
	items [chunkSize]*item
	next  *chunk
}

func (f *fifo) push(it *item) {
	if f.tail == nil || f.last == chunkSize {
		f.grow()
	}
	f.tail.items[f.last] = it
	f.last++
	f.n++
}

// pop removes the first item and returns it, or nil.
func (f *fifo) pop() *item {
	if f.n == 0 {
		return nil
	}
	it := f.head.items[f.first]
	f.head.items[f.first] = nil
	f.first++
	f.n--
	switch {
	case f.first == chunkSize:
		f.shrink()
	case f.n == 0: // from the start again: it is warm, and no second chunk is needed
		f.first, f.last = 0, 0
	}
	return it
}

func (f *fifo) grow() {
	c, ok := f.pool.Get().(*chunk)
	if !ok {
		c = new(chunk)
	}
	if f.tail == nil {
		f.head = c
	} else {
		f.tail.next = c
	}
	f.tail, f.last = c, 0
}

// shrink gives away the head, which is empty.
func (f *fifo) shrink() {
	c := f.head
	f.head, f.first = c.next, 0
	if f.head == nil {
		f.tail, f.last = nil, 0
	}
	c.next = nil
	f.pool.Put(c)
}
