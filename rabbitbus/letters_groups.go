package rabbitbus

import (
	"context"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus/dlq"
)

// logsOf returns what is known of each group that the filter selects, in the order of their
// names: of those that the bus knows, that had a letter of this process, or that the filter
// names.
func (s *letterStore) logsOf(ctx context.Context, f *dlq.Filter) ([]*letterLog, error) {
	names, err := s.groups(ctx)
	if err != nil {
		return nil, err
	}
	names = append(slices.Clone(names), s.seen()...)
	if f.Subscriber != "" {
		for _, service := range append(slices.Clone(f.Groups), f.Group) {
			names = append(names, service+"."+f.Subscriber)
		}
	}
	slices.Sort(names)
	var logs []*letterLog
	for _, name := range slices.Compact(names) {
		if selectsGroup(f, name) && s.names.of(name).longest() <= maxQueueName {
			logs = append(logs, s.log(name))
		}
	}
	return logs, nil
}

// seen are the groups of which something is known.
func (s *letterStore) seen() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.logs {
		if l.current.Load() > 0 {
			names = append(names, name)
		}
	}
	return names
}

func selectsGroup(f *dlq.Filter, name string) bool {
	service, subscriber := splitGroup(name)
	return service != "" && subscriber != "" && !strings.Contains(name, "\x00") &&
		(f.Group == "" || f.Group == service) && (len(f.Groups) == 0 || slices.Contains(f.Groups, service)) &&
		(f.Subscriber == "" || f.Subscriber == subscriber)
}
