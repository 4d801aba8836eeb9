package engine

import (
	"time"

	"github.com/seed-28af575d/eventbus"
)

const (
	tick        = time.Millisecond
	longTimeout = time.Second // against which a tick is nothing
)

// instant is the time of day, read once a tick: reading the clock takes a quarter of what
// a worker does for an event. The lock of the subscription guards it.
type instant struct {
	now   time.Time
	fresh bool // less than a tick old
	timer eventbus.Timer
}

// now is when a handler starts: up to a tick early, unless somebody would notice.
func (s *subscription) now() time.Time {
	t := &s.instant
	if t.fresh {
		return t.now
	}
	t.now = s.bus.clock.Now()
	if s.exact {
		return t.now
	}
	t.fresh = true
	if t.timer == nil {
		t.timer = s.bus.clock.AfterFunc(tick, s.stale)
	} else {
		t.timer.Reset(tick)
	}
	return t.now
}

// stale lets the clock be read again.
func (s *subscription) stale() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instant.fresh = false
}
