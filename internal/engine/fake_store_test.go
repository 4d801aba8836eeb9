package engine

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/dlq"
)

// fakeLedger is a ledger in the process, which outlives the buses of a test.
type fakeLedger struct {
	fake   *fake
	during func() // each call, if there is one

	mu     sync.Mutex
	tries  map[string]Tries
	saves  []map[string]Tries
	loads  int
	took   time.Duration // by each Save
	failed error         // what all calls fail with
}

func (l *fakeLedger) Load(context.Context, string) (map[string]Tries, error) {
	l.called()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads++
	return maps.Clone(l.tries), l.failed
}

func (l *fakeLedger) Save(_ context.Context, _ string, t map[string]Tries) error {
	l.called()
	l.mu.Lock()
	took := l.took
	l.mu.Unlock()
	if took > 0 {
		<-after(took)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	l.saves = append(l.saves, maps.Clone(t))
	if l.tries == nil {
		l.tries = map[string]Tries{}
	}
	for origin, tries := range t {
		if tries == (Tries{}) {
			delete(l.tries, origin)
		} else {
			l.tries[origin] = tries
		}
	}
	l.fake.note("ledger written")
	return nil
}

func (l *fakeLedger) called() {
	if l.during != nil {
		l.during()
	}
}

// known returns what the ledger holds.
func (l *fakeLedger) known() map[string]Tries {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tries) == 0 {
		return map[string]Tries{}
	}
	return maps.Clone(l.tries)
}

// suspects returns the origins of those that run alone.
func (l *fakeLedger) suspects() []string {
	var all []string
	for origin, t := range l.known() {
		if t.Suspect {
			all = append(all, origin)
		}
	}
	return all
}

// fakeLetters is a letter store that fails as a test tells it.
type fakeLetters struct {
	*dlq.MemoryStore

	mu    sync.Mutex
	fails int           // so many Puts fail; negative: all
	err   error         // with this error, or a plain one
	took  time.Duration // by each Put
	puts  int

	during func() // each Put, if there is one: it does not end with its context
}

func (s *fakeLetters) Put(ctx context.Context, l dlq.Letter) error {
	s.mu.Lock()
	s.puts++
	n, err, took := s.fails, s.err, s.took
	if n > 0 {
		s.fails--
	}
	s.mu.Unlock()
	if s.during != nil {
		s.during()
	}
	if took > 0 {
		select {
		case <-after(took):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if n == 0 {
		return s.MemoryStore.Put(ctx, l)
	}
	if err == nil {
		err = fmt.Errorf("store is down")
	}
	return err
}

func (s *fakeLetters) fail(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = n
}
