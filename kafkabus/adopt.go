package kafkabus

import (
	"math"
	"slices"
	"time"
)

// adopt goes on with a source of an earlier generation, whose handlers still run; when they have
// ended, another one takes its place.
func (e *epoch) adopt(s *source) {
	e.add(s)
	s.move(e)
	e.running.Go(func() {
		select {
		case <-s.closed:
		case <-e.life.Done():
			return
		}
		if e.hoards(s.place.topic) {
			pause(e.life, yieldRest) // others may end as well
			e.renew()
			return
		}
		e.swap(s, s.successor(e, e.retried(s)))
	})
}

// yieldRest is between the end of a handler for which a member had kept a partition of too many, and the sharing out.
const yieldRest = 500 * time.Millisecond

// hoards reports whether the member has more partitions of a topic than others, since it has kept those that it worked on.
func (e *epoch) hoards(topic string) bool {
	members, err := e.member.transport.client.membersOf(e.life, e.as.group)
	return err == nil && uneven(members, e.as.id, topic)
}

// uneven reports whether one of the members has more partitions of a topic than another one that wants it should leave to it.
func uneven(members []groupMember, id, topic string) bool {
	own, least := 0, math.MaxInt
	for i := range members {
		m := &members[i]
		if !slices.Contains(m.topics, topic) {
			continue
		}
		n := 0
		for _, p := range m.places {
			if p.topic == topic {
				n++
			}
		}
		least = min(least, n)
		if m.name == id {
			own = n
		}
	}
	return own > 1 && own-1 > least
}

// retried are the deliveries of a source that was given back, of which the ledger knows attempts by now.
func (e *epoch) retried(s *source) map[string]bool {
	m := e.member
	known, err := m.transport.ledger.tried(e.life, m.group.Name)
	if err != nil {
		if e.life.Err() == nil {
			m.transport.logger().Warn("kafkabus: the ledger of attempts cannot be read: they are counted anew", "group", m.group.Name, "error", err)
		}
		return s.tried
	}
	return known
}
