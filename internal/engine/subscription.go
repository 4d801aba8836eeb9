package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// subscription is one subscriber on one bus: its lanes, its workers and the feeds
// that fill them.
type subscription struct {
	bus      *Bus
	sub      eventbus.Subscriber
	group    string // "<group>.<name>"
	patterns []eventbus.Pattern
	handler  eventbus.Handler // with the middleware around it
	member   Member

	receiving context.Context // ends when nothing more is to be received
	halt      context.CancelFunc
	settling  context.Context // ends when nothing more can be settled
	giveUp    context.CancelCauseFunc
	loops     sync.WaitGroup // the goroutines that receive
	ending    sync.Once
	overrun   chan struct{} // closed when the end waits for its handlers no longer
	late      sync.Once
	done      chan struct{}

	mu        sync.Mutex
	opened    bool
	halted    bool // no handler starts any more
	paused    bool
	suspended time.Time // until when; zero: it is not
	resume    eventbus.Timer
	workers   int           // running, those with a stuck handler not counted
	starting  bool          // one of them has not begun yet
	idle      chan struct{} // closed when it is halted and no worker runs
	topics    topics
	ready     laneQueue
	idleLanes laneList
	hangar    hangar
	suspects  map[*flight]suspected // that run
	feeds     map[*feed]struct{}
	away      outage   // since a source was lost
	blind     outage   // since the member cannot look for others
	waiting   int      // feeds that wait for room
	running   attempts // in the order of their deadlines
	overdue   attempts // in the order in which their grace ends
	garage    garage
	instant   instant
	exact     bool           // the clock is read for each attempt
	watch     eventbus.Timer // for the first deadline
	watchAt   time.Time      // when it fires; zero: it is not set
	stats     eventbus.SubscriberStats
	trouble   error // why letters or moves cannot be stored now
	matches   map[string]bool
	err       error // why it ended
}

func newSubscription(b *Bus, sub eventbus.Subscriber) *subscription {
	s := &subscription{
		bus:   b,
		sub:   sub,
		group: sub.Group + "." + sub.Name,
		done:  make(chan struct{}),
		idle:  make(chan struct{}),

		overrun: make(chan struct{}),
		topics:  topics{byName: map[string]*topic{}},
		feeds:   map[*feed]struct{}{},

		suspects: map[*flight]suspected{},
		stats:    eventbus.SubscriberStats{Group: sub.Group, Subscriber: sub.Name},
	}
	s.exact = sub.Timeout < longTimeout || b.options.Observer.Handled != nil
	for _, p := range sub.Events {
		s.patterns = append(s.patterns, eventbus.Pattern(p))
	}
	s.receiving, s.halt = context.WithCancel(context.Background())
	s.settling, s.giveUp = context.WithCancelCause(context.Background())
	return s
}

// wrap puts the middleware around the handler.
func wrap(h eventbus.Handler, middleware []eventbus.Middleware) (eventbus.Handler, error) {
	for i := len(middleware) - 1; i >= 0 && h != nil; i-- {
		if h = middleware[i](h); h == nil {
			return nil, &eventbus.ValidationError{Field: fmt.Sprintf("middleware[%d]", i), Rule: "must not return a nil handler"}
		}
	}
	return h, nil
}

// open begins to receive.
func (s *subscription) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened || s.halted {
		return
	}
	s.opened = true
	s.loops.Go(s.live)
}

// live runs a feed for each source of the member, until the subscription halts.
func (s *subscription) live() {
	for failures := 0; ; {
		source, err := s.member.Next(s.receiving)
		switch {
		case err == nil:
			s.back()
			failures = 0
			if source != nil {
				s.loops.Go(newFeed(s, source).run)
			}
		case s.receiving.Err() != nil:
			return
		case isGone(err):
			s.end(fmt.Errorf("eventbus: %s: the membership of the group is over: %w", s.group, err))
			return
		default:
			failures++
			s.missed(err)
			s.bus.notices.warn("cannot look for sources of events", s.group, failure(err))
			s.bus.sleep(s.receiving, s.bus.pauseAfter(failures))
		}
	}
}

// missed notes a failure to get another source.
func (s *subscription) missed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away.note(s.bus.clock.Now(), err)
	s.blind.note(s.bus.clock.Now(), err)
}

// back ends the time without a source that was lost.
func (s *subscription) back() {
	s.mu.Lock()
	away := s.away
	s.away, s.blind = outage{}, outage{}
	s.mu.Unlock()
	away.over(s)
}

// Pause starts no further handler until Resume.
func (s *subscription) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
}

// Resume ends a Pause.
func (s *subscription) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = false
	s.dispatch()
}

// suspend starts no handler for d.
func (s *subscription) suspend(d time.Duration) {
	until := s.bus.clock.Now().Add(d)
	if !until.After(s.suspended) {
		return
	}
	s.suspended = until
	if s.resume != nil {
		s.resume.Stop()
	}
	s.resume = s.bus.clock.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.suspended.Equal(until) {
			s.suspended = time.Time{}
			s.dispatch()
		}
	})
}

// Done is closed when the subscription has ended.
func (s *subscription) Done() <-chan struct{} { return s.done }

// Err says why it ended.
func (s *subscription) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// wants reports whether one of the patterns selects the event type.
func (s *subscription) wants(eventType string) bool {
	const most = 10_000 // types that are remembered: their number is the publishers' choice
	s.mu.Lock()
	defer s.mu.Unlock()
	if yes, ok := s.matches[eventType]; ok {
		return yes
	}
	yes := false
	for _, p := range s.patterns {
		yes = yes || p.Match(eventType)
	}
	if s.matches == nil || len(s.matches) == most {
		s.matches = map[string]bool{}
	}
	s.matches[eventType] = yes
	return yes
}
