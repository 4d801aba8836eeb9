package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// fakeMember hands out the sources that a test opens.
type fakeMember struct {
	fake    *fake
	group   Group
	sources chan *fakeSource
	errs    chan error // what Next fails with
	opened  int
}

func (m *fakeMember) Next(ctx context.Context) (Source, error) {
	select {
	case s := <-m.sources:
		return s, nil
	case err := <-m.errs:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *fakeMember) Close(context.Context) error {
	m.fake.note("member closed")
	return nil
}

// open makes one more source.
func (m *fakeMember) open() *fakeSource {
	s := &fakeSource{fake: m.fake, name: fmt.Sprint("source", m.opened), wake: make(chan struct{}, 1), ackTook: map[int]time.Duration{}}
	m.opened++
	m.sources <- s
	return s
}

// fakeSource hands over what a test feeds.
type fakeSource struct {
	fake *fake
	name string
	wake chan struct{}

	mu       sync.Mutex
	queue    []*Delivery
	number   uint64
	asked    []int // by each Receive
	gone     bool
	errs     []error    // of the next Receives
	acks     [][]uint64 // of each Ack, also the failed ones
	settled  []uint64   // what was acknowledged
	ackErrs  []error    // of the next Acks
	ackTook  map[int]time.Duration
	ackGate  chan struct{} // what each Ack waits for, if there is one
	keeps    [][]uint64
	lost     []Receipt // what the next Keep says
	keepErr  error
	closed   bool
	closedBy error // of the context that Close was called with
	closeErr error
}

// feed hands over deliveries, numbered from 1 in the order of all feeds.
func (s *fakeSource) feed(ds ...*Delivery) {
	s.mu.Lock()
	for _, d := range ds {
		s.number++
		d.Receipt = Receipt{N: s.number}
		if d.Origin == (Origin{}) {
			d.Origin = Origin{Topic: d.To.Topic, N: s.number}
		}
		s.queue = append(s.queue, d)
	}
	s.mu.Unlock()
	wakeUp(s.wake)
}

// fail makes the next Receives fail.
func (s *fakeSource) fail(errs ...error) {
	s.mu.Lock()
	s.errs = append(s.errs, errs...)
	s.mu.Unlock()
	wakeUp(s.wake)
}

// end makes the source gone.
func (s *fakeSource) end() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	wakeUp(s.wake)
}

func (s *fakeSource) Receive(ctx context.Context, most int) ([]*Delivery, error) {
	s.mu.Lock()
	s.asked = append(s.asked, most)
	s.mu.Unlock()
	for {
		if ds, err := s.ready(most); ds != nil || err != nil {
			return ds, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *fakeSource) ready(most int) ([]*Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		return nil, ErrGone
	case most == 0: // it waits for the end
		return nil, nil
	case len(s.errs) > 0:
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, err
	case len(s.queue) == 0:
		return nil, nil
	}
	n := min(most, len(s.queue))
	ds := slices.Clone(s.queue[:n])
	s.queue = s.queue[n:]
	return ds, nil
}

func (s *fakeSource) Ack(ctx context.Context, rs []Receipt) error {
	s.mu.Lock()
	n := len(s.acks)
	ns := numbers(rs)
	s.acks = append(s.acks, ns)
	var err error
	if len(s.ackErrs) > 0 {
		err = s.ackErrs[0]
		s.ackErrs = s.ackErrs[1:]
	}
	if s.gone {
		err = ErrGone
	}
	took, gate := s.ackTook[n], s.ackGate
	s.mu.Unlock()
	select {
	case <-after(took):
	case <-ctx.Done():
		return ctx.Err()
	}
	if gate != nil {
		<-gate
	}
	if err == nil {
		s.set(func(s *fakeSource) { s.settled = append(s.settled, ns...) })
		s.fake.note("%s acked %s", s.name, text(ns))
	}
	return err
}

func (s *fakeSource) Keep(_ context.Context, rs []Receipt) ([]Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeps = append(s.keeps, numbers(rs))
	lost := s.lost
	s.lost = nil
	if s.gone {
		return nil, ErrGone
	}
	return lost, s.keepErr
}

func (s *fakeSource) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.closedBy = true, ctx.Err()
	s.fake.note("%s closed", s.name)
	return s.closeErr
}

func numbers(rs []Receipt) []uint64 {
	ns := make([]uint64, 0, len(rs))
	for _, r := range rs {
		ns = append(ns, r.N)
	}
	return ns
}

func text(ns []uint64) string { return strings.Trim(fmt.Sprint(ns), "[]") }

// acked returns the receipts that were acknowledged, sorted.
func (s *fakeSource) acked() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.settled))
}

func (s *fakeSource) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// left returns how many deliveries were not received yet.
func (s *fakeSource) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// set changes the source while it is in use.
func (s *fakeSource) set(change func(*fakeSource)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}
