package kafkabus

import (
	"cmp"
	"context"
	"slices"

	"github.com/segmentio/kafka-go"
)

// balancer shares out the partitions of a group. It asks for them itself: kafka-go hands over none at all
// where one topic of many is missing.
type balancer struct{ client *client }

// ProtocolName is what the members of a group must have in common.
func (balancer) ProtocolName() string { return "eventbus-1" }

// UserData is nothing.
func (balancer) UserData() ([]byte, error) { return nil, nil }

// AssignGroups shares the partitions of each topic among those who want it, one to each in turn, and goes on
// with the next topic where it stopped. Members keep their order as long as they stay, and so most of
// their partitions.
func (b balancer) AssignGroups(members []kafka.GroupMember, _ []kafka.Partition) kafka.GroupMemberAssignments {
	ctx, cancel := bounded(context.Background())
	defer cancel()
	shared := kafka.GroupMemberAssignments{}
	for i := range members {
		shared[members[i].ID] = map[string][]int{}
	}
	if b.client.refresh(ctx) != nil {
		return shared // nobody is assigned anything, and the watch of each notices
	}
	known, err := b.client.topics(ctx)
	if err != nil {
		return shared
	}
	share(shared, members, known)
	return shared
}

func share(shared kafka.GroupMemberAssignments, members []kafka.GroupMember, known map[string]topic) {
	slices.SortFunc(members, func(x, y kafka.GroupMember) int { return cmp.Compare(x.ID, y.ID) })
	wanted := map[string][]string{} // members by topic
	var names []string
	for i := range members {
		for _, name := range members[i].Topics {
			if wanted[name] == nil {
				names = append(names, name)
			}
			wanted[name] = append(wanted[name], members[i].ID)
		}
	}
	slices.Sort(names)
	turn := 0
	for _, name := range names {
		who := wanted[name]
		for partition := range known[name].partitions {
			id := who[turn%len(who)]
			shared[id][name] = append(shared[id][name], partition)
			turn++
		}
	}
}
