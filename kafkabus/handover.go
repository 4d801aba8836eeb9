package kafkabus

import (
	"context"
	"slices"
)

// What the member has between its goroutine and who handles.

// offer has Next return the source.
func (m *member) offer(s *source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = append(m.ready, s)
	wakeUp(m.news)
}

// takeBack closes the sources that Next has not returned.
func (m *member) takeBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.ready {
		s.abandon()
	}
	m.ready = nil
}

// keep keeps a source that its generation has left in use.
func (m *member) keep(s *source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.orphans == nil {
		m.orphans = map[place]*source{}
	}
	m.orphans[s.place] = s
}

func (m *member) takeOrphans() map[place]*source {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.orphans
	m.orphans = nil
	return taken
}

// busy are the partitions that the member works on. At the end of a generation only those are left whose handlers outlast
// the grace, but the group may ask while one is still beginning or ending. Each has the generation that assigned it last.
func (m *member) busy() map[place]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used = slices.DeleteFunc(m.used, (*source).ended)
	places := map[place]int{}
	for _, s := range m.used {
		places[s.place] = max(places[s.place], s.assigned())
	}
	return places
}

// await waits for the end of the epoch before. kafka-go does so too, but for one whose generation was over before it had
// begun.
func (m *member) await(ctx context.Context, next *epoch) {
	if m.epoch != nil {
		select {
		case <-m.epoch.over:
		case <-ctx.Done():
		}
	}
	m.epoch = next
}

// shares notes what this member, which leads the group, shares out for the generation that comes.
func (m *member) shares(seen map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sharing = seen
}

// enters notes that the generation has come, and who the member is in it.
func (m *member) enters(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id, m.shared, m.sharing = id, m.sharing, nil
}

// missed reports whether there are partitions that this member has not shared out, if it leads the generation of now.
func (m *member) missed(known map[string]topic) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return outgrown(m.shared, known)
}
