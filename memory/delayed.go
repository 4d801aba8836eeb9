package memory

import "slices"

// delayedKept is the room that the delayed keep when they become few.
const delayedKept = 1024

// delayed are the items whose time has not come: a heap, the next one due first,
// ties in the order of their arrival. It is written out because container/heap
// would allocate for every item.
type delayed []*item

func (d delayed) before(i, j int) bool {
	if c := d[i].NotBefore.Compare(d[j].NotBefore); c != 0 {
		return c < 0
	}
	return d[i].Origin.N < d[j].Origin.N
}

func (d *delayed) push(it *item) {
	*d = append(*d, it)
	h := *d
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

// pop removes the next one due. There must be one.
func (d *delayed) pop() *item {
	h := *d
	next, last := h[0], len(h)-1
	h[0] = h[last]
	h[last] = nil
	h = h[:last]
	h.sink()
	if cap(h) > delayedKept && len(h) <= cap(h)/4 {
		h = slices.Clone(h)
	}
	*d = h
	return next
}

// sink moves the first item to where it belongs.
func (d delayed) sink() {
	for i := 0; ; {
		least := 2*i + 1
		if least >= len(d) {
			return
		}
		if right := least + 1; right < len(d) && d.before(right, least) {
			least = right
		}
		if !d.before(least, i) {
			return
		}
		d[i], d[least] = d[least], d[i]
		i = least
	}
}
