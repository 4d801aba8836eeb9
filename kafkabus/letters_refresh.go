package kafkabus

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
)

// refresh reads the log on to its end, as of a moment after the call; ended is told which records
// have ended a letter. Where the topic is not there, there are no letters. The caller has the turn.
func (s *letterStore) refresh(ctx context.Context, l *letterLog, ended func(offset int64, id string)) error {
	reading, began := l.begun.Add(1), time.Now()
	if began.Sub(l.when) > s.bounds.stale { // removals may have been compacted away since
		l.reset()
	}
	for {
		err := s.readOn(ctx, l, ended)
		if absent(err) {
			err = s.vanished(ctx, l, err)
		}
		if err == nil {
			l.done, l.when = reading, began
			return nil
		}
		if !passing(err) || !s.soon(ctx, began) {
			return err
		}
		_ = s.client.refresh(ctx) // the reading says what is wrong
	}
}

// vanished looks whether the topic is there, of which the client or the broker did not know. If
// not it resets the log, else it returns the error.
func (s *letterStore) vanished(ctx context.Context, l *letterLog, err error) error {
	of, failed := s.lookUp(ctx, l.topic)
	if failed != nil {
		return failed
	}
	if of.partitions > 0 {
		return err
	}
	// A topic that the user may not see is left out of lists. Its settings are refused.
	if _, err := s.client.config(ctx, l.topic, "cleanup.policy"); !absent(err) {
		return cmp.Or(err, error(kafka.LeaderNotAvailable)) // it is there by now
	}
	l.reset()
	return nil
}

// lookUp asks the cluster for a topic.
func (s *letterStore) lookUp(ctx context.Context, name string) (topic, error) {
	if err := s.client.refresh(ctx); err != nil {
		return topic{}, err
	}
	known, err := s.client.topics(ctx)
	return known[name], err
}

// readOn reads from where the reading before ended. The last record comes again, by which a log is
// known again: it may have been deleted and made anew.
func (s *letterStore) readOn(ctx context.Context, l *letterLog, ended func(offset int64, id string)) error {
	for end := int64(-1); end < 0 || l.next < end; {
		from := l.next
		if end < 0 && l.some {
			from = l.last.offset
		}
		g, err := s.client.glance(ctx, l.topic, wanted(0, from))
		if code(err) == kafka.OffsetOutOfRange {
			if err = s.anew(ctx, l); err == nil {
				end = -1
				continue
			}
		}
		if err != nil {
			return err
		}
		if end < 0 {
			end = g.end
		}
		if l.next > end && l.some || !l.knows(g.records) {
			l.reset()
			end = -1
			continue
		}
		s.take(l, g, ended)
	}
	return nil
}

// anew begins at the first record there is.
func (s *letterStore) anew(ctx context.Context, l *letterLog) error {
	l.reset()
	spans, err := s.client.spans(ctx, l.topic)
	if errors.Is(err, ErrTopic) {
		return kafka.UnknownTopicOrPartition
	}
	if err == nil {
		l.next = spans[0].first
	}
	return err
}

// knows reports whether the records can be those behind the last one: that one is as it was, or was
// compacted away.
func (l *letterLog) knows(rs []record) bool {
	return !l.some || len(rs) == 0 || rs[0].offset != l.last.offset ||
		bytes.Equal(rs[0].key, l.last.key) && rs[0].time.Equal(l.last.time)
}

// take takes in what was read.
func (s *letterStore) take(l *letterLog, g glance, ended func(offset int64, id string)) {
	for i := range g.records {
		r := &g.records[i]
		if r.offset < l.next {
			continue
		}
		end, err := l.index.add(r)
		if err != nil {
			s.logger.Warn("eventbus: a record of dead letters cannot be read", slog.String("topic", l.topic), slog.Any("error", err))
		}
		if end && ended != nil {
			ended(r.offset, string(r.key))
		}
		l.last, l.some = record{offset: r.offset, key: r.key, time: r.time}, true
	}
	l.next = max(l.next, g.next)
}
