package rabbitbus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// member is one instance of a subscriber. On each connection it has one source.
type member struct {
	transport *transport
	group     engine.Group
	left      chan struct{}
	once      sync.Once

	current *source   // of Next alone
	present *presence // of Join, then of Next, then of Close
}

// Join makes the group and a member of it.
func (t *transport) Join(ctx context.Context, g engine.Group) (engine.Member, error) {
	m := &member{transport: t, group: g, left: make(chan struct{})}
	t.mu.Lock()
	t.members[m] = true
	t.mu.Unlock()
	if err := m.join(ctx); err != nil {
		m.forget()
		return nil, err
	}
	return m, nil
}

// join writes the group down before it has a queue, which nobody would find otherwise.
func (m *member) join(ctx context.Context) error {
	t := m.transport
	c, err := t.consuming.get(ctx)
	if err == nil {
		err = t.exchange(ctx, c)
	}
	if err == nil && !t.options.Passive {
		err = t.registry().enter(ctx, m.group.Name, m.group.Patterns)
	}
	if err == nil {
		err = t.group(ctx, c, m.group)
	}
	if err == nil {
		err = t.bindOthers(ctx, c, m.group.Name)
	}
	if err == nil {
		err = m.appear(ctx, c)
	}
	return err
}

// forget takes the member from those of the bus.
func (m *member) forget() {
	m.transport.mu.Lock()
	defer m.transport.mu.Unlock()
	delete(m.transport.members, m)
}

// Next returns a source at once, and another one when that is over: the connection was lost,
// or the queue.
func (m *member) Next(ctx context.Context) (engine.Source, error) {
	if err := m.wait(ctx); err != nil {
		return nil, err
	}
	t := m.transport
	c, err := t.consuming.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.givenBack(ctx, c); err != nil {
		return nil, err
	}
	s, err := m.begin(ctx, c)
	if err != nil {
		return nil, err
	}
	if m.current != nil && m.current.vanished() {
		t.logger().Warn("rabbitbus: the queue of a group was deleted and made again: what waited in it is lost",
			slog.String("group", m.group.Name))
	}
	m.current = s
	return s, nil
}

// mute is when to say that the server does not answer. It does not as long as a queue has no
// node that leads it, and then holds up nothing but that.
const mute = 10 * time.Second

// begin makes sure of the group and consumes.
func (m *member) begin(ctx context.Context, c *conn) (*source, error) {
	t := m.transport
	defer time.AfterFunc(mute, func() {
		t.logger().Warn("rabbitbus: the server does not answer about the queues of a group: they may have no leader",
			slog.String("group", m.group.Name))
	}).Stop()
	if err := t.group(ctx, c, m.group); err != nil {
		return nil, err
	}
	m.complain(ctx, t.bindOthers(ctx, c, m.group.Name)) // the bus's own events come all the same
	if err := m.appear(ctx, c); err != nil {
		return nil, err
	}
	return newSource(ctx, m, c)
}

// repaired is how often it is made sure of what the group needs on the server.
const repaired = 10 * time.Second

// wait waits until the source is over. Meanwhile it makes again what others have deleted: an
// exchange that is gone takes its bindings with it, and nothing else says so.
func (m *member) wait(ctx context.Context) error {
	if m.current == nil {
		return nil
	}
	often := time.NewTicker(repaired)
	defer often.Stop()
	for {
		select {
		case <-m.current.over:
			return nil
		case <-m.current.conn.over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-m.left:
			return engine.ErrGone
		case <-often.C:
			m.repair(ctx)
		}
	}
}

func (m *member) repair(ctx context.Context) {
	t, c := m.transport, m.current.conn
	c.lose(t.names.exchange())
	err := t.group(ctx, c, m.group)
	if err == nil {
		err = t.bindOthers(ctx, c, m.group.Name)
	}
	if c.alive() {
		m.complain(ctx, err)
	}
}

func (m *member) complain(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		m.transport.logger().Warn("rabbitbus: a group is not as it should be on the server",
			slog.String("group", m.group.Name), slog.String("error", err.Error()))
	}
}

// Close leaves the group, which stays and collects.
func (m *member) Close(ctx context.Context) (err error) {
	m.once.Do(func() {
		m.forget()
		close(m.left)
		err = m.present.vanish(ctx)
	})
	return err
}
