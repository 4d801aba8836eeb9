package memory

import (
	"context"
	"runtime"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// source hands what is in a queue to one member.
type source struct {
	queue *queue
	ended chan struct{}      // closed when it is over
	out   []*engine.Delivery // what Receive returned last; the receiver's alone

	unacked slots // these belong to the lock of the queue
	over    bool
}

var _ engine.Source = (*source)(nil)

func newSource(q *queue) *source {
	return &source{queue: q, ended: make(chan struct{})}
}

// Receive returns what is ready, at most so many, and waits while nothing is.
func (s *source) Receive(ctx context.Context, most int) ([]*engine.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal() // what is left is for others
	for {
		if s.over {
			return nil, engine.ErrGone
		}
		if s.take(max(most, 1)) {
			return s.out, nil
		}
		if err := s.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// take fills out with what is ready, and reports whether there is something. What
// it held before is let go of. The caller holds the lock.
func (s *source) take(most int) bool {
	before := s.out
	s.out = s.out[:0]
	for range min(most, s.queue.available()) {
		it := s.queue.next()
		it.Receipt.N = s.unacked.put(it)
		s.out = append(s.out, &it.Delivery)
	}
	clear(before[min(len(before), len(s.out)):])
	return len(s.out) > 0
}

// patience is how often a receiver lets others run before it sleeps, some 3 µs in all:
// one that is woken on another core starts after 75.
const patience = 20

// wait gives up the lock until something may be ready.
func (s *source) wait(ctx context.Context) error {
	q := s.queue
	for range patience {
		q.mu.Unlock()
		runtime.Gosched()
		q.mu.Lock()
		if s.over || q.available() > 0 {
			return nil
		}
	}
	q.idle++
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.idle--
	}()
	select {
	case <-q.wake:
		return nil
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ack makes room for others. A receipt that was acked before does nothing.
func (s *source) Ack(_ context.Context, rs []engine.Receipt) error {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.over {
		return engine.ErrGone
	}
	n := 0
	for i := range rs {
		if it := s.unacked.remove(rs[i].N); it != nil {
			q.reuse(it)
			n++
		}
	}
	q.room.giveBack(n)
	return nil
}

// Keep has nothing to do: there are no leases.
func (s *source) Keep(context.Context, []engine.Receipt) ([]engine.Receipt, error) {
	return nil, nil
}

// Close gives back what was not acked.
func (s *source) Close(context.Context) error {
	s.end()
	return nil
}

func (s *source) end() {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	close(s.ended)
	q.takeBack(s.unacked.drain())
}
