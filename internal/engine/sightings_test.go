package engine

import (
	"slices"
	"sync"

	"github.com/seed-28af575d/eventbus"
)

// sightings is what an observer was told.
type sightings struct {
	mu          sync.Mutex
	published   []eventbus.Published
	handled     []eventbus.Handled
	retried     []eventbus.Retried
	buried      []eventbus.Buried
	skipped     []eventbus.Skipped
	reconnected []eventbus.Reconnected
}

func (s *sightings) observer() eventbus.Observer {
	return eventbus.Observer{
		Published:   func(p eventbus.Published) { note(s, &s.published, p) },
		Handled:     func(h eventbus.Handled) { note(s, &s.handled, h) },
		Retried:     func(r eventbus.Retried) { note(s, &s.retried, r) },
		Buried:      func(b eventbus.Buried) { note(s, &s.buried, b) },
		Skipped:     func(k eventbus.Skipped) { note(s, &s.skipped, k) },
		Reconnected: func(r eventbus.Reconnected) { note(s, &s.reconnected, r) },
	}
}

func note[T any](s *sightings, list *[]T, v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, v)
}

// saw returns what one list holds, as of now.
func saw[T any](s *sightings, list *[]T) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(*list)
}
