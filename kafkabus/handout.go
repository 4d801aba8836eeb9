package kafkabus

import "github.com/seed-28af575d/eventbus/internal/engine"

// handout is a delivery and what it was made of.
type handout struct {
	*engine.Delivery
	record record
}

func deliveries(hs []handout) []*engine.Delivery {
	ds := make([]*engine.Delivery, len(hs))
	for i := range hs {
		ds[i] = hs[i].Delivery
	}
	return ds
}

func (s *source) hand(r *record) handout {
	d := s.delivery(r)
	s.handed = max(s.handed, r.offset+1)
	s.changes++
	return handout{d, *r}
}

// putBack takes back what was not handed out after all.
func (s *source) putBack(hs []handout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rs := make([]record, len(hs), len(hs)+len(s.stored))
	for i := range hs {
		rs[i] = hs[i].record
		s.bytes += rs[i].size()
	}
	s.stored = append(rs, s.stored...)
}
