package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// commitPause is between the beginnings of two commits: what is acknowledged meanwhile goes with the next.
const commitPause = 5 * time.Millisecond

// commits commits for all sources of a generation, one after the other, so that none goes back.
func (e *epoch) commits() {
	often := time.NewTicker(commitAnyway)
	defer often.Stop()
	for {
		select {
		case <-e.wish:
		case <-often.C: // how far deliveries were handed out, for who looks
		case <-e.life.Done():
			return
		}
		e.mu.Lock()
		r := e.next
		e.next = newRound()
		e.mu.Unlock()
		began := time.Now()
		r.failed, r.err = e.commitAll(e.life)
		close(r.done)
		if isLost(r.err) {
			e.end()
			return
		}
		wait := commitPause - time.Since(began)
		if r.err != nil || len(r.failed) > 0 {
			wait = commitRest
		}
		if wait > 0 && !pause(e.life, wait) {
			return
		}
	}
}

// commitAnyway is how often what nobody waits for is committed.
const commitAnyway = time.Second

// commitRest is after a commit that has failed.
const commitRest = 200 * time.Millisecond

// commitAll commits what has changed.
func (e *epoch) commitAll(ctx context.Context) (map[place]error, error) {
	marks := map[*source]marked{}
	topics := map[string][]kafka.OffsetCommit{}
	for _, s := range e.all() {
		m, news := s.mark()
		if !news {
			continue
		}
		marks[s] = m
		topics[s.place.topic] = append(topics[s.place.topic], kafka.OffsetCommit{Partition: int(s.place.partition), Offset: m.end, Metadata: m.text})
	}
	if len(marks) == 0 {
		return nil, nil
	}
	failed, err := e.member.transport.client.commit(ctx, e.as, topics)
	if err != nil {
		return nil, fmt.Errorf("kafkabus: commit of %s: %w", e, typed(err))
	}
	for s, m := range marks {
		if _, bad := failed[s.place]; !bad {
			s.committed(m)
		}
	}
	for at, err := range failed {
		failed[at] = fmt.Errorf("kafkabus: commit of %s for %s/%d: %w", e, at.topic, at.partition, typed(err))
	}
	return failed, nil
}

// committed returns what a group has committed of a topic, by partition. Nothing is not in it.
func (c *client) committed(ctx context.Context, group, topic string, partitions []int) (map[int]mark, error) {
	return patiently(ctx, c, func(ctx context.Context) (map[int]mark, error) {
		answer, err := c.api.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: partitions}})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			return nil, err
		}
		return committedOf(answer.Topics[topic])
	})
}

// committedAll returns what a group has committed of all topics, by partition.
func (c *client) committedAll(ctx context.Context, group string) (map[string]map[int]mark, error) {
	return patiently(ctx, c, func(ctx context.Context) (map[string]map[int]mark, error) {
		answer, err := c.api.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			return nil, err
		}
		all := map[string]map[int]mark{}
		for topic, partitions := range answer.Topics {
			known, err := committedOf(partitions)
			if err != nil {
				return nil, err
			}
			if len(known) > 0 {
				all[topic] = known
			}
		}
		return all, nil
	})
}

func committedOf(partitions []kafka.OffsetFetchPartition) (map[int]mark, error) {
	known := map[int]mark{}
	for _, p := range partitions {
		if p.Error != nil {
			return nil, p.Error
		}
		if p.CommittedOffset >= 0 {
			known[p.Partition] = mark{p.CommittedOffset, p.Metadata}
		}
	}
	return known, nil
}

// membership is who commits for a group.
type membership struct {
	group      string
	generation int
	id         string
}

// outside is for groups that have no member.
func outside(group string) membership { return membership{group, -1, ""} }

// commit writes down where a group is, and returns the partitions for which that was refused.
func (c *client) commit(ctx context.Context, m membership, topics map[string][]kafka.OffsetCommit) (map[place]error, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	return patiently(ctx, c, func(ctx context.Context) (map[place]error, error) {
		answer, err := c.api.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: m.group, GenerationID: m.generation, MemberID: m.id, Topics: topics})
		if err != nil {
			return nil, err
		}
		failed := map[place]error{}
		for topic, partitions := range answer.Topics {
			for _, p := range partitions {
				missing := errors.Is(p.Error, kafka.UnknownTopicOrPartition) && m.generation >= 0 // somebody has deleted it
				if isLost(p.Error) || p.Error != nil && passing(p.Error) && !missing {
					return nil, p.Error
				}
				if p.Error != nil {
					failed[place{topic, int32(p.Partition)}] = p.Error
				}
			}
		}
		return failed, nil
	})
}

// commitTime is how long one commit may take: what is not answered is committed anew.
const commitTime = 5 * time.Second
