package rabbitbus

// acks remembers which deliveries of a channel are acknowledged. Delivery tags count up from
// 1 without gaps.
type acks struct {
	base uint64 // tag of the first that is remembered
	done []bool // from there on
}

// call is one acknowledgement to the server.
type call struct {
	tag      uint64
	multiple bool
}

// note adds tags, and returns what to tell the server: one call for all up to the first gap,
// and one for each behind it, so that a delivery that waits holds up none of the others.
// Tags that were acknowledged before are passed over.
func (a *acks) note(tags []uint64) (calls []call) {
	fresh := tags[:0:0]
	for _, tag := range tags {
		if a.set(tag) {
			fresh = append(fresh, tag)
		}
	}
	n := uint64(0)
	for n < uint64(len(a.done)) && a.done[n] {
		n++
	}
	upTo := a.base + n // behind the contiguous ones
	last := uint64(0)  // the server knows no tag that was acknowledged before
	for _, tag := range fresh {
		if tag < upTo {
			last = max(last, tag)
		} else {
			calls = append(calls, call{tag, false})
		}
	}
	if last > 0 {
		calls = append([]call{{last, true}}, calls...)
	}
	a.done = a.done[n:]
	a.base = upTo
	return calls
}

func (a *acks) set(tag uint64) bool {
	if a.base == 0 {
		a.base = 1
	}
	if tag < a.base {
		return false
	}
	at := tag - a.base
	for uint64(len(a.done)) <= at {
		a.done = append(a.done, false)
	}
	was := a.done[at]
	a.done[at] = true
	return !was
}
