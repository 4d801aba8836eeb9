package kafkabus

import (
	"context"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// What the group is told as the member joins it, again and again under one ID: a member that left to join
// with other topics would be missed by who joins meanwhile, and its partitions be given away under its handlers.

// spareSlots are for topics to come.
const spareSlots = 64

// nominate puts the topics that the member wants where kafka-go reads them: in what the consumer was made with, which
// has room for more. It is called in kafka-go's own goroutine, each time before it tells the group.
func (m *member) nominate() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.slots {
		m.slots[i] = m.wishes[min(i, len(m.wishes)-1)]
	}
	m.joined = m.wishes[:min(len(m.slots), len(m.wishes))]
}

// wish notes which topics the member is to have, and reports whether the group has been told others, and whether
// the consumer has room for them.
func (m *member) wish(topics []string) (others, fits bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wishes = topics
	return !slices.Equal(m.joined, topics), len(topics) <= len(m.slots)
}

// renew ends the generation of now, if there is one, as if another member had come.
func (m *member) renew() {
	if m.epoch != nil {
		m.epoch.renew()
	}
}

// exorcise is to let the group go on without the member that we were: its coordinator was lost, and the one that
// comes, however late, waits for a sign of life of it for a whole session. But not before we are back, since
// the others would share out what we work on.
func (m *member) exorcise() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hush != nil {
		m.hush()
	}
	if m.id != "" {
		m.ghosts = append(m.ghosts, m.id)
	}
	m.id, m.hush = "", nil
}

// goodbye says so of whom we were, while we join.
func (m *member) goodbye() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ghosts) == 0 || m.hush != nil || m.life.Err() != nil {
		return
	}
	ctx, hush := context.WithCancel(m.life)
	m.hush = hush
	ghosts := slices.Clone(m.ghosts)
	m.running.Go(func() {
		defer hush()
		pause(ctx, ghostRest) // by then the coordinator knows that we join
		for _, id := range ghosts {
			m.leaveAs(ctx, id)
		}
	})
}

// leaveAs says goodbye until that is heard.
func (m *member) leaveAs(ctx context.Context, id string) {
	for rest := ghostRest; ctx.Err() == nil; rest = min(rest*3/2, longestGhostRest) {
		soon, stop := context.WithTimeout(ctx, time.Second)
		answer, err := m.transport.client.api.LeaveGroup(soon, &kafka.LeaveGroupRequest{
			GroupID: m.groupID(), Members: []kafka.LeaveGroupRequestMember{{ID: id}},
		})
		stop()
		if err == nil && (answer.Error == nil || isLost(answer.Error) || kind(answer.Error) != nil) {
			m.mu.Lock()
			m.ghosts = slices.DeleteFunc(m.ghosts, func(x string) bool { return x == id })
			m.mu.Unlock()
			return
		}
		pause(ctx, rest)
	}
}

// ghostRest is between the first two tries to leave; later ones are further apart.
const ghostRest, longestGhostRest = 200 * time.Millisecond, time.Second
