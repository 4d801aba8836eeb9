package rabbitbus

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus"
)

// registry names the groups, since the protocol lists neither queues nor bindings. A record says
// what a group asks for beside what it asked for before, or that it is gone.
type registry struct{ journal journal }

type registryRecord struct {
	Group    string             `json:"group"`
	Patterns []eventbus.Pattern `json:"patterns,omitempty"`
	Unbound  []eventbus.Pattern `json:"unbound,omitempty"` // what it asks for no more
	Gone     bool               `json:"gone,omitempty"`
}

func (t *transport) registry() registry {
	return registry{journal{t, declaration{t.names.groups(), amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeStream, amqp.StreamMaxSegmentSizeBytesArg: int64(1 << 20),
	}}}}
}

// all returns what groups ask for or ever have, by group. A record that cannot be read is none.
func (r registry) all(ctx context.Context) (map[string][]eventbus.Pattern, error) {
	groups := map[string][]eventbus.Pattern{}
	err := r.journal.read(ctx, func(record []byte) {
		var g registryRecord
		if json.Unmarshal(record, &g) != nil || g.Group == "" {
			return
		}
		if g.Gone {
			delete(groups, g.Group)
			return
		}
		patterns := slices.Concat(groups[g.Group], g.Patterns)
		patterns = slices.DeleteFunc(patterns, func(p eventbus.Pattern) bool { return slices.Contains(g.Unbound, p) })
		slices.Sort(patterns)
		groups[g.Group] = slices.Compact(patterns)
	})
	return groups, err
}

// ever returns the groups that there are or were: letters outlive their group.
func (r registry) ever(ctx context.Context) ([]string, error) {
	groups := map[string]bool{}
	err := r.journal.read(ctx, func(record []byte) {
		var g registryRecord
		if json.Unmarshal(record, &g) == nil && g.Group != "" {
			groups[g.Group] = true
		}
	})
	return slices.Sorted(maps.Keys(groups)), err
}

// enter writes down a group, unless it is there with all that it asks for.
func (r registry) enter(ctx context.Context, group string, patterns []eventbus.Pattern) error {
	known, err := r.all(ctx)
	if err != nil {
		return err
	}
	before, there := known[group]
	missing := slices.DeleteFunc(slices.Clone(patterns), func(p eventbus.Pattern) bool { return slices.Contains(before, p) })
	if there && len(missing) == 0 {
		return nil
	}
	return r.write(ctx, registryRecord{Group: group, Patterns: missing})
}

// leave writes down that a group is gone.
func (r registry) leave(ctx context.Context, group string) error {
	return r.write(ctx, registryRecord{Group: group, Gone: true})
}

// unbound writes down that a group has a pattern no more.
func (r registry) unbound(ctx context.Context, group string, p eventbus.Pattern) error {
	return r.write(ctx, registryRecord{Group: group, Unbound: []eventbus.Pattern{p}})
}

func (r registry) write(ctx context.Context, record registryRecord) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return r.journal.append(ctx, text)
}

// names returns the groups, sorted.
func (r registry) names(ctx context.Context) ([]string, error) {
	groups, err := r.all(ctx)
	return slices.Sorted(maps.Keys(groups)), err
}
