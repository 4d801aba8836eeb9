package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/seed-28af575d/eventbus/dlq"
)

// forget deletes all letters of a group, taken or not, and their topic. There need be none.
func (s *letterStore) forget(ctx context.Context, group string) error {
	err := s.open(ctx)
	if err == nil {
		err = s.erase(ctx, s.log(group))
	}
	if err != nil {
		return s.failed(ctx, "delete dead letters of "+group, err)
	}
	return nil
}

func (s *letterStore) erase(ctx context.Context, l *letterLog) error {
	within, cancel := bounded(ctx)
	defer cancel()
	err := s.patiently(within, func() error {
		answer, err := s.client.api.DeleteTopics(within, &kafka.DeleteTopicsRequest{Topics: []string{l.topic}})
		if err == nil {
			err = answer.Errors[l.topic]
		}
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		of, err := s.lookUp(within, l.topic)
		if err != nil {
			return err
		}
		if of.partitions == 0 {
			break
		}
		if !pause(within, wait) {
			return fmt.Errorf("topic %s is still there: %w", l.topic, within.Err())
		}
	}
	return l.taking(ctx, func() error {
		l.reset()
		return nil
	})
}

// logsOf returns what is known of each group that the filter selects, in the order of their names:
// of those that have letters, or that the filter names in full.
func (s *letterStore) logsOf(ctx context.Context, f *dlq.Filter) (logs []*letterLog, err error) {
	services := slices.Clone(f.Groups)
	if f.Group != "" {
		services = append(services, f.Group)
	}
	var groups []string
	if f.Subscriber != "" && len(services) > 0 {
		for _, service := range services {
			groups = append(groups, service+"."+f.Subscriber)
		}
	} else if groups, err = s.groups(ctx); err != nil {
		return nil, err
	}
	slices.Sort(groups)
	for _, group := range slices.Compact(groups) {
		if selectsGroup(f, group) && s.legal(group) {
			logs = append(logs, s.log(group))
		}
	}
	return logs, nil
}

// groups are those that have a topic of letters.
func (s *letterStore) groups(ctx context.Context) (groups []string, err error) {
	var known map[string]topic
	err = s.patiently(ctx, func() error {
		if err := s.client.refresh(ctx); err != nil {
			return err
		}
		known, err = s.client.topics(ctx)
		return err
	})
	for name := range known {
		if group, ok := s.names.lettersOf(name); ok {
			groups = append(groups, group)
		}
	}
	return groups, err
}

func selectsGroup(f *dlq.Filter, group string) bool {
	service, subscriber, _ := strings.Cut(group, ".")
	return (f.Group == "" || f.Group == service) && (len(f.Groups) == 0 || slices.Contains(f.Groups, service)) &&
		(f.Subscriber == "" || f.Subscriber == subscriber)
}
