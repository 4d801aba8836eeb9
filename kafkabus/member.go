package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// member is one instance of a subscriber: a member of the consumer group.
type member struct {
	transport *transport
	group     engine.Group
	left      chan struct{}
	once      sync.Once

	mu       sync.Mutex
	consumer *kafka.ConsumerGroup
	topics   string             // those it was made with, and their partitions
	id       string             // as the group knows us
	ready    []*source          // assigned, for Next
	orphans  map[place]*source  // of the last generation, and still in use
	news     context.CancelFunc // ends the wait of Next
	ghosts   sync.WaitGroup
}

func (m *member) groupID() string { return m.transport.names.group(m.group.Name) }

// Join makes what the group needs, and begins to be a member of it.
func (t *transport) Join(ctx context.Context, g engine.Group) (engine.Member, error) {
	m := &member{transport: t, group: g, left: make(chan struct{})}
	if err := m.prepare(ctx); err != nil {
		return nil, fmt.Errorf("kafkabus: join %s: %w", g.Name, typed(err))
	}
	topics, err := m.wanted(ctx)
	if err == nil {
		err = m.start(ctx, topics)
	}
	if err == nil {
		err = m.enter(topics)
	}
	if err != nil {
		return nil, fmt.Errorf("kafkabus: join %s: %w", g.Name, typed(err))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.members[m] = true
	return m, nil
}

// prepare makes the topics of what is for the group alone.
func (m *member) prepare(ctx context.Context) error {
	t := m.transport
	known, err := t.client.topics(ctx)
	if err != nil {
		return err
	}
	name := t.names.retries(m.group.Name)
	if known[name].partitions > 0 {
		return t.letters.join(ctx, m.group.Name)
	}
	if t.options.Topics.Passive {
		return fmt.Errorf("%w: %s is missing, and Options.Topics.Passive forbids to make it", ErrTopic, name)
	}
	if err := t.client.make(ctx, t.retriesConfig(name)); err != nil {
		return err
	}
	return t.letters.join(ctx, m.group.Name)
}

// wanted returns the topics in which there may be something for the group, with their partitions.
func (m *member) wanted(ctx context.Context) (map[string]int, error) {
	t := m.transport
	known, err := t.client.topics(ctx)
	if err != nil {
		return nil, err
	}
	odd, err := t.odd(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for name, x := range known {
		of, ok := t.names.topicOf(name)
		if ok && m.chooses(of, odd[of]) || name == t.names.retries(m.group.Name) {
			out[name] = x.partitions
		}
	}
	return out, nil
}

// chooses reports whether a pattern selects something that may be in the topic: of events that begin with
// its name, or with one of the words.
func (m *member) chooses(topic string, words []string) bool {
	return slices.ContainsFunc(m.group.Patterns, func(p eventbus.Pattern) bool {
		first, _, _ := strings.Cut(string(p), ".")
		return first == "*" || first == "#" || first == topic || slices.Contains(words, first)
	})
}

// start writes down where the group begins, in partitions where nothing is written down: if it has
// members, they have done so.
func (m *member) start(ctx context.Context, topics map[string]int) error {
	t := m.transport
	commits := map[string][]kafka.OffsetCommit{}
	for name, n := range topics {
		known, err := t.client.committed(ctx, m.groupID(), name, numbered(n))
		if err != nil {
			return err
		}
		if len(known) == n {
			continue
		}
		offsets, err := t.client.startOf(ctx, name, m.group.From)
		if err != nil {
			return err
		}
		for i, offset := range offsets {
			if _, ok := known[i]; !ok {
				commits[name] = append(commits[name], kafka.OffsetCommit{Partition: i, Offset: offset})
			}
		}
	}
	if len(commits) == 0 {
		return nil
	}
	_, err := t.client.commit(ctx, m.groupID(), -1, "", commits)
	if isLost(err) || errors.Is(err, kafka.RebalanceInProgress) {
		return nil
	}
	return err
}

// enter becomes a member for these topics.
func (m *member) enter(topics map[string]int) error {
	t := m.transport
	c, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: m.groupID(), Brokers: t.options.Brokers, Dialer: t.client.dialer, Topics: slices.Sorted(maps.Keys(topics)),
		GroupBalancers: []kafka.GroupBalancer{balancer{t.client, m}}, HeartbeatInterval: t.options.Heartbeat,
		SessionTimeout: t.options.Session, RebalanceTimeout: t.options.Session, JoinGroupBackoff: joinRest,
		StartOffset: kafka.FirstOffset, Timeout: answerTime,
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.consumer, m.topics = c, fmt.Sprint(topics)
	return nil
}

const (
	joinRest = 500 * time.Millisecond
	// watched is how often new topics and partitions are looked for.
	watched = time.Second
)

// Next returns the partitions that the group assigns to this member, one by one, and then waits until it
// shares them out anew.
func (m *member) Next(ctx context.Context) (engine.Source, error) {
	for {
		m.mu.Lock()
		if len(m.ready) > 0 {
			s := m.ready[0]
			m.ready = m.ready[1:]
			m.mu.Unlock()
			return s, nil
		}
		c := m.consumer
		soon, cancel := context.WithTimeout(ctx, watched)
		m.news = cancel
		m.mu.Unlock()
		g, err := c.Next(soon)
		cancel()
		switch {
		case g != nil:
			err = m.assigned(ctx, g)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, kafka.ErrGroupClosed):
			return nil, engine.ErrGone
		case errors.Is(err, context.Canceled): // there is one
			err = nil
		case errors.Is(err, context.DeadlineExceeded):
			err = m.watch(ctx)
		case !errors.Is(err, kafka.RebalanceInProgress): // kafka-go has forgotten who we are
			m.leave()
		}
		if err != nil {
			return nil, fmt.Errorf("kafkabus: group %s: %w", m.group.Name, typed(err))
		}
	}
}

// assigned begins a generation.
func (m *member) assigned(ctx context.Context, g *kafka.Generation) error {
	m.mu.Lock()
	m.id = g.MemberID
	m.ready = nil
	m.mu.Unlock()
	fresh, err := m.begin(ctx, g)
	for _, s := range fresh {
		m.offer(s)
	}
	return err
}

// offer has Next return the source.
func (m *member) offer(s *source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = append(m.ready, s)
	if m.news != nil {
		m.news()
	}
}

// keep keeps a source that its generation has left in use.
func (m *member) keep(s *source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.orphans == nil {
		m.orphans = map[place]*source{}
	}
	m.orphans[s.place] = s
}

func (m *member) takeOrphans() map[place]*source {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.orphans
	m.orphans = nil
	return taken
}

// busy are the partitions that the member works on between two generations.
func (m *member) busy() (places []place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.orphans {
		places = append(places, p)
	}
	return places
}

// watch becomes a member anew when there are other topics or partitions.
func (m *member) watch(ctx context.Context) error {
	topics, err := m.wanted(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	same, old := m.topics == fmt.Sprint(topics), m.consumer
	m.mu.Unlock()
	if same || len(topics) == 0 {
		return nil
	}
	if err := m.start(ctx, topics); err != nil {
		return err
	}
	if err := old.Close(); err != nil {
		return err
	}
	return m.enter(topics)
}

// leave lets the group go on without the member that we were: its coordinator was lost, and the one that
// comes, however late, waits for a sign of life of it for a whole session.
func (m *member) leave() {
	m.mu.Lock()
	id := m.id
	m.id = ""
	m.mu.Unlock()
	if id == "" {
		return
	}
	m.ghosts.Go(func() {
		for rest := ghostRest; ; rest = min(rest*3/2, longestGhostRest) {
			soon, stop := context.WithTimeout(context.Background(), time.Second)
			answer, err := m.transport.client.api.LeaveGroup(soon, &kafka.LeaveGroupRequest{
				GroupID: m.groupID(), Members: []kafka.LeaveGroupRequestMember{{ID: id}},
			})
			stop()
			if err == nil && (answer.Error == nil || isLost(answer.Error) || kind(answer.Error) != nil) {
				return
			}
			select {
			case <-time.After(rest):
			case <-m.left:
				return
			}
		}
	})
}

// ghostRest is between the first two tries to leave; later ones are further apart.
const ghostRest, longestGhostRest = 200 * time.Millisecond, time.Second

// Close leaves the group, which others share out at once.
func (m *member) Close(ctx context.Context) error {
	var err error
	m.once.Do(func() {
		close(m.left)
		m.transport.mu.Lock()
		delete(m.transport.members, m)
		m.transport.mu.Unlock()
		m.mu.Lock()
		c := m.consumer
		m.ready = nil
		m.mu.Unlock()
		for _, s := range m.takeOrphans() {
			s.lose()
		}
		ended := make(chan error, 1)
		go func() {
			ended <- c.Close()
			m.ghosts.Wait()
		}()
		select {
		case err = <-ended:
		case <-ctx.Done():
			err = fmt.Errorf("kafkabus: leave %s: %w", m.group.Name, ctx.Err())
		}
	})
	return err
}
