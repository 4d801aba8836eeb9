package rabbitbus

import "slices"

// letterIndex is which letters there are in the generations that were read, whatever the order
// of copies and removals: a removal ends what was born before it, and of several records
// under one ID the one that was born first is the letter.
type letterIndex struct {
	byID    map[string]*letterEntry
	order   []*letterEntry // by birth; those that are gone stay a while
	gone    int            // of those in order
	deaths  map[string]letterDeath
	records int
	bytes   int64
}

func newLetterIndex() *letterIndex {
	return &letterIndex{byID: map[string]*letterEntry{}, deaths: map[string]letterDeath{}}
}

// letterDeath is what removed the letters under an ID that were born before a place.
type letterDeath struct {
	last, first letterPlace // of several removals
	by          string      // the ID of the first one's record
}

// add takes in the record of a letter. It returns the removal that ended it, if that was read
// before: a copy may come behind.
func (x *letterIndex) add(e *letterEntry) (endedBy string) {
	if death, ok := x.deaths[e.ID]; ok && e.born.before(death.last) {
		if e.born.before(death.first) {
			endedBy = death.by
		}
		return endedBy
	}
	old, ok := x.byID[e.ID]
	switch {
	case ok && old.born == e.born:
		if old.place.before(e.place) {
			old.place = e.place // a copy of the same
		}
		return ""
	case ok && old.born.before(e.born):
		return "" // stored twice
	case ok:
		x.drop(old)
	}
	x.byID[e.ID] = e
	at := len(x.order)
	if at > 0 && e.born.before(x.order[at-1].born) { // a copy behind younger letters
		at, _ = slices.BinarySearchFunc(x.order, e.born, func(o *letterEntry, p letterPlace) int { return o.born.compare(p) })
	}
	x.order = slices.Insert(x.order, at, e)
	return ""
}

// remove takes in the record of a removal: it ends the letters that were born before it. It
// returns those of which that is known by now.
func (x *letterIndex) remove(r *letterRecord) (ended []string) {
	for _, id := range r.ids {
		death, ok := x.deaths[id]
		if !ok {
			death = letterDeath{first: r.place, by: r.nonce}
		}
		if death.last.before(r.place) {
			death.last = r.place
		}
		x.deaths[id] = death
		if e, ok := x.byID[id]; ok && e.born.before(r.place) {
			delete(x.byID, id)
			x.drop(e)
			ended = append(ended, id)
		}
	}
	return ended
}

func (x *letterIndex) drop(e *letterEntry) {
	e.gone = true
	x.gone++
	if x.gone > 100 && x.gone > len(x.order)/2 {
		x.order = slices.DeleteFunc(slices.Clone(x.order), func(e *letterEntry) bool { return e.gone })
		x.gone = 0
	}
}

// garbage is how many records no reader needs.
func (x *letterIndex) garbage() int { return x.records - len(x.byID) }

// from returns the letters that were born behind the place, in their order.
func (x *letterIndex) from(at letterPlace) []*letterEntry {
	i, found := slices.BinarySearchFunc(x.order, at, func(e *letterEntry, p letterPlace) int { return e.born.compare(p) })
	for found && i < len(x.order) && x.order[i].born == at {
		i++
	}
	return x.order[i:]
}
