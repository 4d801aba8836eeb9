package redisbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

const (
	// lookout is how often a member looks for new topics, unless that takes longer.
	lookout = time.Second
	// promoted is how many retries that are due one script moves.
	promoted = 100
)

// member is one instance of a subscriber. In each topic it has two sources: one that is
// handed new entries, and one that takes over what processes have left that are gone.
type member struct {
	transport *transport
	group     engine.Group
	name      string // of its consumers
	instance  string // that, and behind a blank what no other bus has: the name of its sign of life
	left      chan struct{}
	wake      chan struct{} // says that something may be due before it thought

	chores  chores
	failing bool // what is to be done now and then; for Next alone

	mu      sync.Mutex
	known   map[string]bool // topics
	waiting []engine.Source // for Next
	gone    bool
}

// Join makes a member of the group.
func (t *transport) Join(ctx context.Context, g engine.Group) (engine.Member, error) {
	if err := t.Open(ctx); err != nil {
		return nil, err
	}
	m := &member{
		transport: t, group: g, name: cmp.Or(t.options.Consumer, consumerName()),
		left: make(chan struct{}), wake: make(chan struct{}, 1), known: map[string]bool{},
	}
	m.instance = m.name + " " + t.mark
	start, err := t.found(ctx, g)
	if err == nil {
		err = m.discover(ctx, start)
	}
	if err == nil {
		err = m.warnOfTwins(ctx)
	}
	if err == nil {
		err = m.present(ctx, unopened)
	}
	if err != nil {
		return nil, fmt.Errorf("redisbus: make group %s: %w", g.Name, typed(err))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.members[m] = true
	return m, nil
}

// Next returns a source for each topic that it finds. While it waits for others, it puts
// retries that are due into the group's streams. None without an error means that what was
// wrong with that is over.
func (m *member) Next(ctx context.Context) (engine.Source, error) {
	for {
		if s := m.next(); s != nil {
			return s, nil
		}
		began := time.Now()
		wait, err := m.round(ctx)
		if s := m.next(); s != nil { // what is wrong elsewhere does not hold it up
			return s, nil
		}
		if over := m.failing; err != nil || over {
			m.failing = err != nil
			return nil, err
		}
		timer := time.NewTimer(min(wait, lookout-time.Since(began)))
		select {
		case <-timer.C:
		case <-m.wake:
		case <-ctx.Done():
		case <-m.left:
		}
		timer.Stop()
		select {
		case <-m.left:
			return nil, engine.ErrGone
		default:
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (m *member) next() engine.Source {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) == 0 {
		return nil
	}
	s := m.waiting[0]
	m.waiting = m.waiting[1:]
	return s
}

// discover finds topics that are new, and makes the group there. Without a start it is
// the one that was written down.
func (m *member) discover(ctx context.Context, start string) error {
	t := m.transport
	topics, err := t.wanted(ctx, m.group.Patterns)
	if err != nil {
		return err
	}
	topics = slices.DeleteFunc(topics, m.knows)
	if len(topics) > 0 && start == "" {
		if start, err = t.found(ctx, engine.Group{Name: m.group.Name, Patterns: m.group.Patterns}); err != nil {
			return err
		}
	}
	errs := t.enter(ctx, topics, m.group.Name, start)
	for i, topic := range topics {
		if errs[i] == nil {
			m.add(topic)
		}
	}
	return errors.Join(errs...)
}

func (m *member) knows(topic string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[topic]
}

func (m *member) add(topic string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[topic] = true
	h := newHeir(m, topic)
	m.waiting = append(m.waiting, h, newReader(m, topic, h.settled))
}

// topics returns those that the member reads.
func (m *member) topics() (topics []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic := range m.known {
		topics = append(topics, topic)
	}
	return topics
}

// later tells the members of the group that something was put aside for them.
func (t *transport) later(group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for m := range t.members {
		if m.group.Name == group {
			select {
			case m.wake <- struct{}{}:
			default:
			}
		}
	}
}

// Close leaves the group, which stays and collects.
func (m *member) Close(ctx context.Context) error {
	t := m.transport
	t.mu.Lock()
	gone := m.gone
	if !gone {
		m.gone = true
		close(m.left)
		delete(t.members, m)
	}
	t.mu.Unlock()
	if gone {
		return nil
	}
	_, err := ask(ctx, t.clients, func() (int64, error) {
		return t.clients.commands.ZRem(ctx, t.names.members(m.group.Name), m.instance).Result()
	})
	return typed(err)
}
