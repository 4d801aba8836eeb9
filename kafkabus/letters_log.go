package kafkabus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// letterLog is what is known of the letters of one group.
type letterLog struct {
	group, topic string
	good         atomic.Bool   // the topic was there, and as it should be
	begun        atomic.Uint64 // readings
	clock        brokerClock

	turn  chan struct{} // of who uses what follows
	index *letterIndex
	next  int64     // offset of the next record
	last  record    // the last one that was read, without its value, if there is one
	some  bool      // there is one
	when  time.Time // when the last reading began
	done  uint64    // its number
}

func newLetterLog(group, topic string) *letterLog {
	return &letterLog{group: group, topic: topic, turn: make(chan struct{}, 1), index: newLetterIndex()}
}

// log returns what is known of the group.
func (s *letterStore) log(group string) *letterLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.logs[group]
	if !ok {
		l = newLetterLog(group, s.names.letters(group))
		s.logs[group] = l
	}
	return l
}

// known are the groups of which something is known.
func (s *letterStore) known() (logs []*letterLog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		logs = append(logs, l)
	}
	return logs
}

// reset forgets what was read, and that the topic was as it should be: it may be another.
func (l *letterLog) reset() {
	l.good.Store(false)
	l.index, l.next, l.last, l.some = newLetterIndex(), 0, record{}, false
}

// view calls look, which changes nothing, with the index as of a moment after the call.
func (s *letterStore) view(ctx context.Context, l *letterLog, look func(*letterIndex)) error {
	return s.viewSince(ctx, l, l.begun.Load()+1, look)
}

// viewSince calls look with the index as of that reading, or later.
func (s *letterStore) viewSince(ctx context.Context, l *letterLog, reading uint64, look func(*letterIndex)) error {
	return l.taking(ctx, func() error {
		if l.done < reading {
			if err := s.refresh(ctx, l, nil); err != nil {
				return err
			}
		}
		look(l.index)
		return nil
	})
}

// taking runs do while nobody else uses what was read.
func (l *letterLog) taking(ctx context.Context, do func() error) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	return do()
}

// brokerClock is what time a broker has, by an answer of it.
type brokerClock struct {
	mu             sync.Mutex
	said           time.Time
	sent, received time.Time
}

// clockAge is for how long two clocks are taken to go alike.
const clockAge = 10 * time.Second

func (c *brokerClock) learn(said, sent, received time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said, c.sent, c.received = said, sent, received
}

// clockMargin is more than they part in that time.
const clockMargin = 50 * time.Millisecond

// span is between what times the broker's clock stands. The broker says milliseconds that have
// begun.
func (c *brokerClock) span() (least, most time.Time, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said.IsZero() || time.Since(c.received) > clockAge {
		return least, most, false
	}
	return c.said.Add(time.Since(c.received) - clockMargin), c.said.Add(time.Since(c.sent) + time.Millisecond + clockMargin), true
}
