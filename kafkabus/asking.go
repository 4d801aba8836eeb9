package kafkabus

import (
	"fmt"
	"time"
)

const (
	// fetchWait is how long a broker holds a fetch that finds nothing, of partitions that had nothing last time.
	fetchWait = 500 * time.Millisecond
	// glanceWait is how long it holds a glance: a fetch of others.
	glanceWait = 5 * time.Millisecond
	// waitsPerBroker and glancesPerBroker are under way at once.
	waitsPerBroker, glancesPerBroker = 2, 1
)

// asking is a fetch from one broker.
type asking struct {
	leader int32
	addr   string // of the leader
	of     []*source
	wait   time.Duration // for which the broker may hold it
	glance bool
}

// line is what is under way to a broker, or to nobody, of what has no leader.
type line struct {
	waits   int       // fetches that may be held for long
	until   time.Time // all of them
	glances int
	since   time.Time // when cold sources began to wait for glances to end
}

// claim returns what is to be fetched now, and notes that it is being asked for. The first in turn are others each
// time, since answers have a limit. A source that has more must not stand behind fetches that wait for news
// of others: those are for cold ones alone, which are held together: all until one moment, and then in one fetch.
func (e *epoch) claim(turn int) (out []asking) {
	p, err := e.member.transport.routes.look(e.life)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	hot, cold := map[int32][]*source{}, map[int32][]*source{}
	for i := range e.sources {
		s := e.sources[(i+turn)%len(e.sources)]
		if err != nil {
			s.fail(fmt.Errorf("kafkabus: look for the leader of %s/%d: %w", s.place.topic, s.place.partition, typed(err)), fetchRest)
			continue
		}
		leader := int32(-1)
		if x := p.topics[s.place.topic]; x != nil && int(s.place.partition) < len(x.leaders) {
			leader = x.leaders[s.place.partition]
		}
		switch hungry, isCold := s.appetite(now); {
		case !hungry:
		case isCold:
			cold[leader] = append(cold[leader], s)
		default:
			hot[leader] = append(hot[leader], s)
		}
	}
	ask := func(a asking) {
		if a.leader >= 0 {
			a.addr = p.brokers[a.leader]
		}
		for _, s := range a.of {
			s.claim()
		}
		out = append(out, a)
	}
	for leader, of := range cold {
		l := e.line(leader)
		left := l.until.Sub(now)
		switch {
		case l.waits == 0 && (l.glances == 0 || !l.since.IsZero() && now.Sub(l.since) >= glanceWait):
			l.waits, l.until, l.since = 1, now.Add(fetchWait), time.Time{}
			ask(asking{leader: leader, of: of, wait: fetchWait})
		case l.waits == 0:
			if l.since.IsZero() {
				l.since = now
			}
		case l.waits < waitsPerBroker && left > glanceWait: // they have come later
			l.waits++
			ask(asking{leader: leader, of: of, wait: left})
		default:
			hot[leader] = append(hot[leader], of...)
		}
	}
	for leader, of := range hot {
		if l := e.line(leader); l.glances < glancesPerBroker {
			l.glances++
			ask(asking{leader: leader, of: of, wait: glanceWait, glance: true})
		}
	}
	return out
}

// line is that to a broker. The lock is held.
func (e *epoch) line(leader int32) *line {
	l := e.lines[leader]
	if l == nil {
		l = &line{}
		e.lines[leader] = l
	}
	return l
}

// appetite reports whether the source is to be fetched for, and whether there was nothing last time.
func (s *source) appetite(now time.Time) (hungry, cold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hungry(now), s.cold
}

func (s *source) claim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
}

func (e *epoch) release(a asking) {
	for _, s := range a.of {
		s.mu.Lock()
		s.asked = false
		s.mu.Unlock()
	}
	e.mu.Lock()
	if l := e.line(a.leader); a.glance {
		l.glances--
	} else {
		l.waits--
	}
	e.mu.Unlock()
	wakeUp(e.hungry)
}
