package kafkabus

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-28af575d/eventbus/internal/letterline"
)

// letterIndex is which letters there are and who has taken them, as the records say in the order
// of the log. All processes read the same, so that they agree.
//
// A letter is there from its first record on until one without a value: a record under an ID that is
// there is passed over. (Compaction keeps the last of several, so that a process that reads the log later finds the
// letter at another place than before.) A claim holds a letter if no other does, or that one's time is
// over by the time at which the claim was made. Both times stand in the claims: it does not matter
// when they are read. Claims have a key each and end by a record without a value, and with the letter.
//
// All read the same as long as no claim is missing that others were judged by: a reader that does
// not find a claim which was given back may take one that had lost against it for the holder. So nothing is
// compacted that is younger than letterBounds.lag, and no lease is longer than half of that.
type letterIndex struct {
	byID   map[string]*letterEntry
	order  []*letterEntry // by birth; those that are gone stay a while
	gone   int            // of those in order
	claims map[string]*letterClaims
}

// letterEntry is what is kept in memory of a letter.
type letterEntry struct {
	letterline.Head
	stored      int64
	born, place int64 // offsets: where it was stored first, and where it stands
	size        int
	gone        bool
}

// letterClaims are those on one ID, whether or not there is a letter under it.
type letterClaims struct {
	holder string // the key of the one that holds the letter
	until  map[string]int64
}

// letterClaim is the value of a claim: times by the broker's clock, in nanoseconds since 1970.
type letterClaim struct {
	At    int64 `json:"at"`    // not after the claim was made
	Until int64 `json:"until"` // not before the lease is over
}

func newLetterIndex() *letterIndex {
	return &letterIndex{byID: map[string]*letterEntry{}, claims: map[string]*letterClaims{}}
}

// claimKey is the key of a claim. IDs have no zero byte.
func claimKey(id, holder string) string { return id + "\x00" + holder }

// add takes in a record, and reports whether it has ended a letter. With an error it is one that
// nobody can read.
func (x *letterIndex) add(r *record) (ended bool, err error) {
	id, _, claim := bytes.Cut(r.key, []byte{0})
	switch {
	case claim && r.value == nil:
		x.unclaim(string(id), string(r.key))
	case claim:
		var c letterClaim
		if err := json.Unmarshal(r.value, &c); err != nil {
			return false, fmt.Errorf("claim at offset %d: %w", r.offset, err)
		}
		x.claim(string(id), string(r.key), c)
	case r.value == nil:
		return x.remove(string(id)), nil
	default:
		return false, x.keep(string(id), r)
	}
	return false, nil
}

func (x *letterIndex) keep(id string, r *record) error {
	if e, ok := x.byID[id]; ok { // stored twice
		e.place, e.size = r.offset, len(r.value)
		return nil
	}
	head, err := letterline.HeadOf(r.value)
	if err != nil {
		return fmt.Errorf("record at offset %d: %w", r.offset, err)
	}
	if head.ID != id {
		return fmt.Errorf("record at offset %d: its key is not the letter's ID", r.offset)
	}
	e := &letterEntry{Head: head, born: r.offset, place: r.offset, size: len(r.value)}
	e.stored, _ = strconv.ParseInt(r.header.get(headerStored), 10, 64) // what cannot be read is the oldest
	x.byID[id] = e
	x.order = append(x.order, e)
	return nil
}

func (x *letterIndex) remove(id string) bool {
	if c, ok := x.claims[id]; ok {
		c.holder = ""
	}
	e, ok := x.byID[id]
	if !ok {
		return false
	}
	delete(x.byID, id)
	e.gone = true
	x.gone++
	if x.gone > 100 && x.gone > len(x.order)/2 {
		x.order = slices.DeleteFunc(slices.Clone(x.order), func(e *letterEntry) bool { return e.gone })
		x.gone = 0
	}
	return true
}

func (x *letterIndex) claim(id, key string, c letterClaim) {
	cs, ok := x.claims[id]
	if !ok {
		cs = &letterClaims{until: map[string]int64{}}
		x.claims[id] = cs
	}
	if _, twice := cs.until[key]; twice {
		return
	}
	cs.until[key] = c.Until
	if cs.holder == "" || cs.until[cs.holder] <= c.At {
		cs.holder = key
	}
}

func (x *letterIndex) unclaim(id, key string) {
	cs, ok := x.claims[id]
	if !ok {
		return
	}
	delete(cs.until, key)
	if cs.holder == key {
		cs.holder = ""
	}
	if len(cs.until) == 0 {
		delete(x.claims, id)
	}
}

// holder is the key of the claim that holds the letter at that time, or empty.
func (x *letterIndex) holder(id string, at int64) string {
	if cs, ok := x.claims[id]; ok && cs.holder != "" && cs.until[cs.holder] > at {
		return cs.holder
	}
	return ""
}

// claimsOn are the keys of all claims on the ID.
func (x *letterIndex) claimsOn(id string) (keys []string) {
	if cs, ok := x.claims[id]; ok {
		for key := range cs.until {
			keys = append(keys, key)
		}
	}
	return keys
}

// over returns keys of up to n claims that are over at that time. Who has made them has ended before
// it removed them.
func (x *letterIndex) over(at int64, n int) (keys []string) {
	for _, cs := range x.claims {
		for key, until := range cs.until {
			if len(keys) == n {
				return keys
			}
			if until <= at {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// from returns the letters that were born at the offset or behind, in their order.
func (x *letterIndex) from(at int64) []*letterEntry {
	i, _ := slices.BinarySearchFunc(x.order, at, func(e *letterEntry, at int64) int { return cmp.Compare(e.born, at) })
	return x.order[i:]
}
