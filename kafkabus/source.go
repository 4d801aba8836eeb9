package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// source is a partition, in one generation of the group, or in several as long as its handlers run.
type source struct {
	member     *member
	place      place
	eventTopic string          // of what stands in a topic of events
	ownGroup   string          // of what stands in the topic of the group alone
	opened     int64           // what stands before it may have been handed out before
	tried      map[string]bool // origins of what is in the ledger
	fed        chan struct{}
	withdrawn  chan struct{} // closed when it is asked back
	lost       chan struct{} // closed when others have the partition, or nobody
	why        error         // it is lost; written before that
	closed     chan struct{} // closed when the engine has given it back
	once       struct{ withdraw, lose, close sync.Once }

	mu       sync.Mutex
	epoch    *epoch        // nil: between two generations
	latest   int           // generation that has assigned it
	moved    chan struct{} // closed when there is one again
	progress progress
	next     int64 // to be fetched
	handed   int64 // behind the last that was handed out
	open     int64 // as it was committed last
	last     mark  // that was committed last
	changes  int   // of what is committed, so far
	noted    int   // of them, those that are committed
	reserve  int64 // how far open is ahead of what is handed out
	stored   []record
	waiting  waiting   // not due yet
	bytes    int       // of stored
	asked    bool      // a fetch is under way
	cold     bool      // the last one has found nothing
	rests    time.Time // until when nothing is fetched
	headless time.Time // since when nobody leads the partition
	err      error     // to be told once
	names    []string  // of the headers of the last delivery, by place
	clean    bool      // nothing that was handed out is suspect any more
}

var _ engine.Source = (*source)(nil)

const (
	// storedBytes and storedRecords are what is fetched ahead of the handlers, before one more answer.
	storedBytes, storedRecords = 512 << 10, 2000
	// waitingRecords are read ahead for what is due sooner.
	waitingRecords = 10_000
	// leastReserve and mostReserve bound how many deliveries are written down as handed out before they are:
	// a crash has as many more handled one at a time.
	leastReserve, mostReserve = 16, 2048
)

func newSource(e *epoch, at place, k known, tried map[string]bool) *source {
	s := &source{
		member: e.member, epoch: e, latest: e.as.generation, place: at, opened: k.open, tried: tried, fed: make(chan struct{}, 1),
		withdrawn: make(chan struct{}), lost: make(chan struct{}), closed: make(chan struct{}), moved: make(chan struct{}),
		progress: k.progress, next: k.end, handed: k.end, open: k.open, last: k.mark, changes: 1, reserve: leastReserve,
	}
	t := e.member.transport
	if topic, ok := t.names.topicOf(at.topic); ok {
		s.eventTopic = topic
	} else {
		s.ownGroup = e.member.group.Name
	}
	return s
}

// hungry reports whether more is to be fetched now. The lock is held.
func (s *source) hungry(now time.Time) bool {
	select {
	case <-s.withdrawn:
		return false
	default:
	}
	return !s.asked && len(s.stored) < storedRecords && s.bytes < storedBytes && s.waiting.len() < waitingRecords && !now.Before(s.rests)
}

// feed takes what was fetched.
func (s *source) feed(rs []record, next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	now := s.member.transport.now()
	expected := s.next
	for i := range rs {
		r := &rs[i]
		if r.offset > expected { // what is not there will not be handed out
			s.progress.finish(expected, r.offset)
		}
		expected = r.offset + 1
		if s.progress.finished(r.offset) {
			continue
		}
		if s.ownGroup != "" {
			if due := dueOf(r); due.After(now) {
				s.waiting.push(r, due)
				continue
			}
		}
		s.stored = append(s.stored, *r)
		s.bytes += r.size()
	}
	if next > expected {
		s.progress.finish(expected, next)
	}
	s.next = next
	wakeUp(s.fed)
}

// fail lets Receive say what is wrong, once, and rests before the next fetch.
func (s *source) fail(err error, rest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rests = time.Now().Add(rest); !errors.Is(s.err, ErrTrimmed) { // which is told whatever comes
		s.err = err
	}
	wakeUp(s.fed)
}

// Receive waits for deliveries. None are handed out that are not written down as such.
func (s *source) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	for {
		if err := s.over(most > 0); err != nil {
			return nil, fmt.Errorf("kafkabus: %s/%d: %w", s.place.topic, s.place.partition, err)
		}
		if most == 0 { // it is asked back, and only its end is waited for
			if err := s.await(ctx, false, time.Time{}); err != nil {
				return nil, err
			}
			continue
		}
		ds, due, err := s.take(most)
		if err != nil {
			return nil, err
		}
		if len(ds) > 0 {
			if err := s.announce(ctx); err != nil {
				s.putBack(ds)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				continue // it says itself what is over
			}
			s.wakeFetch()
			return deliveries(ds), nil
		}
		s.wakeFetch()
		if err := s.await(ctx, true, due); err != nil {
			return nil, err
		}
	}
}

// await waits until there may be something.
func (s *source) await(ctx context.Context, minds bool, due time.Time) error {
	var timer <-chan time.Time
	if !due.IsZero() {
		t := time.NewTimer(max(due.Sub(s.member.transport.now()), 0))
		defer t.Stop()
		timer = t.C
	}
	withdrawn := s.withdrawn
	if !minds {
		withdrawn = nil
	}
	select {
	case <-s.fed:
	case <-timer:
	case <-withdrawn:
	case <-s.lost:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// take makes deliveries of what is there, what is due first, and tells when the next is due.
func (s *source) take(most int) (out []handout, due time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = s.err; err != nil {
		s.err = nil
		return nil, due, err
	}
	now := s.member.transport.now()
	if n := min(most, len(s.stored)+s.waiting.len()); n > 0 {
		out = make([]handout, 0, n)
	}
	for len(out) < most && s.waiting.len() > 0 && !s.waiting.first().After(now) {
		r := s.waiting.pop()
		out = append(out, s.hand(&r))
	}
	for len(out) < most && len(s.stored) > 0 {
		r := s.stored[0]
		s.stored[0] = record{}
		s.stored = s.stored[1:]
		s.bytes -= r.size()
		out = append(out, s.hand(&r))
	}
	if s.waiting.len() > 0 {
		due = s.waiting.first()
	}
	return out, due, nil
}

// announce has it written down how far deliveries were handed out, unless that is ahead anyway.
func (s *source) announce(ctx context.Context) error {
	s.mu.Lock()
	ahead := s.handed <= s.open
	if !ahead {
		s.reserve = min(2*s.reserve, mostReserve)
		s.changes++
	}
	s.mu.Unlock()
	for !ahead {
		if err := s.over(true); err != nil {
			return err
		}
		if err := s.commit(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			pause(ctx, commitRest)
			continue
		}
		s.mu.Lock()
		ahead = s.handed <= s.open
		s.mu.Unlock()
	}
	return nil
}

// Ack notes what is finished, and returns when that is committed.
func (s *source) Ack(ctx context.Context, rs []engine.Receipt) error {
	s.mu.Lock()
	s.changes++
	for _, r := range rs {
		s.progress.finish(int64(r.N), int64(r.N)+1)
	}
	s.mu.Unlock()
	return s.commit(ctx)
}

// Keep looks whether the partition is still ours: there is no lease to extend.
func (s *source) Keep(context.Context, []engine.Receipt) ([]engine.Receipt, error) {
	return nil, s.over(true)
}

// kept is how often that is looked for.
const kept = 250 * time.Millisecond

// Close gives back what was not acknowledged: it is not suspect.
func (s *source) Close(ctx context.Context) (err error) {
	s.once.close.Do(func() {
		s.mu.Lock()
		s.clean = true
		s.changes++
		s.mu.Unlock()
		if s.over(false) == nil {
			err = s.commit(ctx)
		}
		close(s.closed)
	})
	return err
}
