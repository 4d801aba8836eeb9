package memory

import (
	"context"
	"sync"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// member is one instance of a subscriber. It has one source.
type member struct {
	instance *instance
	source   *source
	first    chan *source // holds the source until it is asked for
	left     chan struct{}
	once     sync.Once
}

func newMember(in *instance, s *source) *member {
	m := &member{instance: in, source: s, first: make(chan *source, 1), left: make(chan struct{})}
	m.first <- m.source
	return m
}

// Next returns the source, and from then on waits for the end.
func (m *member) Next(ctx context.Context) (engine.Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s := <-m.first:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-m.left:
		return nil, engine.ErrGone
	}
}

// Close leaves the group, which goes on collecting.
func (m *member) Close(context.Context) error {
	m.leave()
	return nil
}

func (m *member) leave() {
	m.once.Do(func() {
		m.source.end()
		m.source.queue.leave(m.source)
		close(m.left)
		m.instance.forget(m)
	})
}
