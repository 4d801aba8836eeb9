package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// member is one instance of a subscriber: a member of the consumer group, from the first Next until
// Close. A goroutine of its own keeps up with the group: who is slow to ask for partitions, or stops asking
// while handlers end, must not hold up the other members.
type member struct {
	transport *transport
	group     engine.Group
	life      context.Context
	leave     context.CancelFunc
	begins    sync.Once
	running   sync.WaitGroup
	news      chan struct{} // for Next

	consumer *kafka.ConsumerGroup // of the goroutine, until it has ended
	wires    wires                // of the consumer
	failures int                  // of the goroutine, in a row
	epoch    *epoch               // that began last

	mu      sync.Mutex
	wishes  []string          // the topics that it is to have
	slots   []string          // of the consumer, for those topics; see nominate
	joined  []string          // those that the group was told of last
	id      string            // as the group knows us
	ghosts  []string          // as it knew us, and may still
	hush    func()            // ends the goodbyes of those
	ready   []*source         // assigned, for Next
	used    []*source         // that Next has returned, but for those that have ended since
	orphans map[place]*source // of the last generation, and still in use
	err     error             // for Next, once
	over    bool              // what was wrong is
	sharing map[string]int    // partitions of each topic, as shared out for the generation that comes
	shared  map[string]int    // and for that of now; nil: another one leads
}

func (m *member) groupID() string { return m.transport.names.group(m.group.Name) }

// Join makes what the group needs.
func (t *transport) Join(ctx context.Context, g engine.Group) (engine.Member, error) {
	if err := t.names.legalGroup(g.Name); err != nil {
		return nil, fmt.Errorf("kafkabus: join %s: %w", g.Name, err)
	}
	m := &member{transport: t, group: g, news: make(chan struct{}, 1)}
	m.life, m.leave = context.WithCancel(context.WithoutCancel(ctx))
	err := m.prepare(ctx)
	var topics map[string]int
	if err == nil {
		topics, err = m.wanted(ctx)
	}
	if err == nil {
		err = m.start(ctx, topics)
	}
	if err != nil {
		m.leave()
		return nil, fmt.Errorf("kafkabus: join %s: %w", g.Name, typed(err))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.members[m] = true
	return m, nil
}

// Next returns the partitions that the group assigns to this member, one by one, and then waits until it
// shares them out anew.
func (m *member) Next(ctx context.Context) (engine.Source, error) {
	m.begins.Do(func() { m.running.Go(m.run) })
	for {
		if s, told, err := m.told(); told {
			return s, err
		}
		select {
		case <-m.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-m.life.Done():
			return nil, engine.ErrGone
		}
	}
}

// told returns what there is to tell.
func (m *member) told() (s engine.Source, told bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.err != nil:
		err, m.err = m.err, nil
		return nil, true, err
	case len(m.ready) > 0:
		first := m.ready[0]
		m.ready, m.over = m.ready[1:], false
		m.used = append(slices.DeleteFunc(m.used, (*source).ended), first)
		return first, true, nil
	case m.over:
		m.over = false
		return nil, true, nil
	}
	return nil, false, nil
}

// run keeps up with the group.
func (m *member) run() {
	for m.life.Err() == nil {
		err := m.turn()
		m.mu.Lock()
		switch {
		case err == nil && m.failures > 0:
			m.failures, m.over = 0, true
		case err != nil && m.life.Err() == nil:
			m.failures++
			m.err = fmt.Errorf("kafkabus: group %s: %w", m.group.Name, typed(err))
		}
		m.mu.Unlock()
		wakeUp(m.news)
		if err != nil {
			pause(m.life, min(time.Duration(m.failures)*joinRest, mostRest))
		}
	}
}

const (
	joinRest = 500 * time.Millisecond
	mostRest = 5 * time.Second
	// watched is how often new topics and partitions are looked for.
	watched = time.Second
)

// turn waits for a generation, or looks for other topics.
func (m *member) turn() error {
	if m.consumer == nil {
		topics, err := m.wanted(m.life)
		if err == nil {
			err = m.enter(slices.Sorted(maps.Keys(topics)))
		}
		return err
	}
	soon, cancel := context.WithTimeout(m.life, watched)
	defer cancel()
	g, err := m.consumer.Next(soon)
	switch {
	case g != nil:
		return m.assigned(g)
	case err == soon.Err(): //nolint:errorlint // kafka-go's own errors may be time-outs too
		return m.watch()
	case errors.Is(err, kafka.RebalanceInProgress):
		return nil
	}
	m.exorcise() // kafka-go has forgotten who we are
	return err
}

// enter becomes a member for these topics.
func (m *member) enter(topics []string) error {
	t := m.transport
	if len(topics) == 0 {
		return missingTopic(t.names.retries(m.group.Name))
	}
	m.mu.Lock()
	m.wishes, m.slots = topics, make([]string, 2*len(topics)+spareSlots)
	slots := m.slots
	m.mu.Unlock()
	c, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: m.groupID(), Brokers: t.options.Brokers, Dialer: m.wires.through(t.client.dialer), Topics: slots,
		GroupBalancers: []kafka.GroupBalancer{balancer{t.client, m}}, HeartbeatInterval: t.options.Heartbeat,
		SessionTimeout: t.options.Session, RebalanceTimeout: t.options.Session, JoinGroupBackoff: joinRest,
		StartOffset: kafka.FirstOffset, Timeout: t.options.Session * 2 / 3, // others have our partitions after a session
	})
	if err == nil {
		m.consumer = c
	}
	return err
}

// assigned begins a generation.
func (m *member) assigned(g *kafka.Generation) error {
	m.enters(g.MemberID)
	fresh, err := m.begin(m.life, g)
	for _, s := range fresh {
		m.offer(s)
	}
	return err
}

// watch has the group shared out anew when there are other topics, or partitions that this member has not shared out.
func (m *member) watch() error {
	if err := m.life.Err(); err != nil {
		return err
	}
	topics, err := m.wanted(m.life)
	if err != nil || len(topics) == 0 {
		return err
	}
	known, err := m.transport.client.topics(m.life)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(topics))
	others, fits := m.wish(names)
	if !others && !m.missed(known) {
		return nil
	}
	if err := m.start(m.life, topics); err != nil {
		return err
	}
	if fits {
		m.renew()
		return nil
	}
	if err := m.consumer.Close(); err != nil {
		return err
	}
	return m.enter(names)
}

// Close leaves the group, which others share out at once.
func (m *member) Close(ctx context.Context) error {
	m.transport.mu.Lock()
	delete(m.transport.members, m)
	m.transport.mu.Unlock()
	ended := make(chan error, 1)
	m.begins.Do(func() {}) // it is not to begin any more
	m.mu.Lock()
	m.leave() // after which nothing is begun
	m.mu.Unlock()
	go func() { ended <- m.end() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("kafkabus: leave %s: %w", m.group.Name, ctx.Err())
	}
}

func (m *member) end() (err error) {
	m.takeBack()
	m.running.Wait()
	m.takeBack()
	for _, s := range m.takeOrphans() {
		s.lose()
	}
	if m.consumer != nil {
		err = m.part()
	}
	for _, s := range m.takeOrphans() {
		s.lose()
	}
	return err
}

// part ends the consumer. kafka-go may be joining, which takes until a member that was killed is given up, and cannot be
// told to stop: then its connections are closed, and goodbye is said for it, if it is known who it is.
func (m *member) part() error {
	parted := make(chan error, 1)
	go func() { parted <- m.consumer.Close() }()
	m.mu.Lock()
	id := m.id
	m.mu.Unlock()
	if id == "" {
		return <-parted
	}
	select {
	case err := <-parted:
		return err
	case <-time.After(partTime):
	}
	m.wires.cut()
	err := <-parted
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.life), time.Second)
	defer cancel()
	m.leaveAs(ctx, id)
	return err
}

// partTime is how long kafka-go may take to leave: a last commit and a goodbye.
const partTime = 500 * time.Millisecond
