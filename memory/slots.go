package memory

// slotsKept is the size that a table keeps when nothing is in it.
const slotsKept = 4096

// slots hold what a source has handed over and has not seen acked. A receipt is the
// number of a hand-over and the slot: one that is used twice finds another number
// in the slot, and nothing happens. The zero value is empty.
type slots struct {
	table []slot
	free  []uint32
	turn  uint32 // the last hand-over; 0 marks a free slot
}

type slot struct {
	*item
	turn uint32
}

// put takes an item in and returns the receipt for it.
func (s *slots) put(it *item) uint64 {
	if len(s.free) == 0 {
		s.free = append(s.free, uint32(len(s.table)))
		s.table = append(s.table, slot{})
	}
	last := len(s.free) - 1
	i := s.free[last]
	s.free = s.free[:last]
	if s.turn++; s.turn == 0 {
		s.turn = 1
	}
	s.table[i] = slot{it, s.turn}
	return uint64(s.turn)<<32 | uint64(i)
}

// remove frees the slot of the receipt and returns what was in it, or nil if that
// is not under way.
func (s *slots) remove(receipt uint64) *item {
	i, turn := uint32(receipt), uint32(receipt>>32)
	if turn == 0 || uint64(i) >= uint64(len(s.table)) || s.table[i].turn != turn {
		return nil
	}
	it := s.table[i].item
	s.table[i] = slot{}
	s.free = append(s.free, i)
	if len(s.free) == len(s.table) && len(s.table) > slotsKept {
		s.table, s.free = nil, nil
	}
	return it
}

func (s *slots) len() int { return len(s.table) - len(s.free) }

// drain empties the table and returns what was in it, in no order.
func (s *slots) drain() []*item {
	var all []*item
	for i := range s.table {
		if s.table[i].turn != 0 {
			all = append(all, s.table[i].item)
		}
	}
	s.table, s.free = nil, nil
	return all
}
