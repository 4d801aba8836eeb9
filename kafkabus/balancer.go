package kafkabus

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/segmentio/kafka-go"
)

// balancer shares out the partitions of a group. It asks for them itself: kafka-go hands over none at all
// where one topic of many is missing.
type balancer struct {
	client *client
	member *member
}

// ProtocolName is what the members of a group must have in common.
func (balancer) ProtocolName() string { return "eventbus-1" }

// claims are partitions by topic, and the generation that assigned them last.
type claims map[string]map[int32]int

// UserData says what the member works on, and is to keep. kafka-go asks as it joins the group.
func (b balancer) UserData() ([]byte, error) {
	b.member.nominate()
	b.member.goodbye()
	all := claims{}
	for p, generation := range b.member.busy() {
		if all[p.topic] == nil {
			all[p.topic] = map[int32]int{}
		}
		all[p.topic][p.partition] = generation
	}
	if len(all) == 0 {
		return nil, nil
	}
	return json.Marshal(all)
}

// AssignGroups leaves partitions with members that work on them, and gives each other one to the member that
// wants its topic and has the fewest of that, or else of all.
func (b balancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	ctx, cancel := bounded(context.Background())
	defer cancel()
	var known map[string]topic
	err := b.client.refresh(ctx)
	if err == nil {
		known, err = b.client.topics(ctx)
	}
	if err != nil {
		known = map[string]topic{}
		for _, p := range partitions {
			known[p.Topic] = topic{name: p.Topic, partitions: max(known[p.Topic].partitions, p.ID+1)}
		}
	}
	b.member.shares(sharedOut(members, known))
	return share(members, known)
}

// sharedOut is how many partitions there were of each topic that a member wants, when they were shared out.
func sharedOut(members []kafka.GroupMember, known map[string]topic) map[string]int {
	seen := map[string]int{}
	for i := range members {
		for _, name := range members[i].Topics {
			seen[name] = known[name].partitions
		}
	}
	return seen
}

// outgrown reports whether there are partitions that were not shared out: brokers learn of them one after the other, and
// the one that was asked then may have been late.
func outgrown(seen map[string]int, known map[string]topic) bool {
	for name, n := range seen {
		if known[name].partitions > n {
			return true
		}
	}
	return false
}

// keeper is a member that claims a partition; who had it before another one was given it has lost it.
type keeper struct {
	member     string
	generation int
}

func share(members []kafka.GroupMember, known map[string]topic) kafka.GroupMemberAssignments {
	members = slices.Clone(members)
	slices.SortFunc(members, func(x, y kafka.GroupMember) int { return cmp.Compare(x.ID, y.ID) })
	shared, counts, given := kafka.GroupMemberAssignments{}, map[string]int{}, map[place]bool{}
	fewer := func(topic string) func(x, y string) int { // of the topic, and else of all
		return func(x, y string) int {
			return cmp.Or(cmp.Compare(len(shared[x][topic]), len(shared[y][topic])), cmp.Compare(counts[x], counts[y]))
		}
	}
	give := func(id string, p place) {
		shared[id][p.topic] = append(shared[id][p.topic], int(p.partition))
		counts[id]++
		given[p] = true
	}
	wanted := map[string][]string{} // members by topic
	keepers := map[place]keeper{}
	for i := range members {
		x := &members[i]
		x.Topics = slices.Compact(slices.Sorted(slices.Values(x.Topics)))
		shared[x.ID] = map[string][]int{}
		for _, name := range x.Topics {
			wanted[name] = append(wanted[name], x.ID)
		}
		var keeps claims
		if json.Unmarshal(x.UserData, &keeps) != nil {
			continue
		}
		for name, partitions := range keeps {
			if !slices.Contains(x.Topics, name) {
				continue
			}
			for n, generation := range partitions {
				p := place{name, n}
				best, claimed := keepers[p]
				if n >= 0 && int(n) < known[name].partitions && (!claimed || generation > best.generation) {
					keepers[p] = keeper{x.ID, generation}
				}
			}
		}
	}
	for p, best := range keepers {
		give(best.member, p)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		for n := range known[name].partitions {
			p := place{name, int32(n)}
			if given[p] {
				continue
			}
			give(slices.MinFunc(wanted[name], fewer(name)), p)
		}
	}
	return shared
}
