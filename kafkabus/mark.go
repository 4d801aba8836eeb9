package kafkabus

// mark is what is committed of a partition.
type mark struct {
	end  int64
	text string
}

// marked is a mark, and what it was made from.
type marked struct {
	mark
	open    int64
	changes int
}

// mark returns what is to be committed now, if anything is.
func (s *source) mark() (m marked, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == s.noted {
		return m, false
	}
	m.changes = s.changes
	m.end, m.open = s.progress.end, s.handed+s.reserve
	if s.clean {
		m.open = m.end
	}
	m.open = max(m.open, m.end)
	m.text = s.progress.text(s.handed, m.open)
	s.open = min(s.open, m.open) // from now on the cluster may know no more than this
	return m, m.mark != s.last
}

// committed notes that the mark is.
func (s *source) committed(m marked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open, s.last, s.noted = m.open, m.mark, m.changes
	if s.handed+s.reserve/2 < m.open {
		s.reserve = max(s.reserve/2, leastReserve)
	}
}
