package kafkabus

import (
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
)

// What the leader of a group did not see when it shared out, as the broker that it asked was late, is shared out when it does, also
// what only others want. What is gone is no reason.
func TestALeaderNoticesWhatItDidNotSee(t *testing.T) {
	members := []kafka.GroupMember{{ID: "a", Topics: []string{"order", "gone"}}, {ID: "b", Topics: []string{"order", "invoice"}}}
	then := map[string]topic{"order": {partitions: 3}, "other": {partitions: 1}}
	seen := sharedOut(members, then)
	require.Equal(t, map[string]int{"order": 3, "gone": 0, "invoice": 0}, seen)
	for want, now := range map[string]map[string]topic{
		"the same": then,
		"less":     {"invoice": {}},
		"no one's": {"order": {partitions: 3}, "other": {partitions: 2}, "fresh": {partitions: 7}},
	} {
		require.False(t, outgrown(seen, now), want)
	}
	require.True(t, outgrown(seen, map[string]topic{"order": {partitions: 3}, "invoice": {partitions: 1}}), "only b wants it")
	require.True(t, outgrown(seen, map[string]topic{"order": {partitions: 4}}), "it has grown")
	require.False(t, outgrown(nil, then), "another one leads")
}

// A generation that this member does not lead is another one's to look after.
func TestOnlyTheLeaderLooks(t *testing.T) {
	m := &member{}
	grown := map[string]topic{"order": {partitions: 1}}
	m.shares(map[string]int{"order": 0})
	require.False(t, m.missed(grown), "the generation has not begun")
	m.enters("a")
	require.True(t, m.missed(grown))
	m.enters("b")
	require.False(t, m.missed(grown), "another one leads")
}

// A member that was cut off claims what another one has been given meanwhile: that keeps it.
func TestTheLatestClaimHolds(t *testing.T) {
	known := map[string]topic{"order": {partitions: 4}}
	for _, newest := range []string{"a", "b"} {
		claim := func(id string, stale, own int) kafka.GroupMember {
			generation := 5
			if id == newest {
				generation = 6
			}
			return kafka.GroupMember{ID: id, Topics: []string{"order"}, UserData: fmt.Appendf(nil, `{"order":{"%d":%d,"%d":5}}`, stale, generation, own)}
		}
		shared := share([]kafka.GroupMember{claim("a", 3, 0), claim("b", 3, 1), {ID: "c", Topics: []string{"order"}, UserData: []byte(`{"order":[3]}`)}}, known)
		require.Contains(t, shared[newest]["order"], 3)
		require.Contains(t, shared["a"]["order"], 0)
		require.Contains(t, shared["b"]["order"], 1)
		require.Equal(t, []int{2}, shared["c"]["order"], "what cannot be read is no claim")
	}
}

// A member has too many partitions of a topic where another one that wants it has fewer by two.
func TestAMemberKnowsWhetherItHasTooMany(t *testing.T) {
	places := func(topic string, n int) (ps []place) {
		for i := range n {
			ps = append(ps, place{topic, int32(i)})
		}
		return ps
	}
	order, both := []string{"order"}, []string{"invoice", "order"}
	for name, c := range map[string]struct {
		others []groupMember
		want   bool
	}{
		"alone":                        {nil, false},
		"one less":                     {[]groupMember{{"b", order, places("order", 3)}}, false},
		"two less":                     {[]groupMember{{"b", order, places("order", 2)}}, true},
		"none, which it does not want": {[]groupMember{{"b", []string{"invoice"}, nil}}, false},
		"others of another topic":      {[]groupMember{{"b", both, places("invoice", 4)}}, true},
		"more":                         {[]groupMember{{"b", order, places("order", 9)}, {"c", both, places("order", 4)}}, false},
	} {
		members := append([]groupMember{{"a", both, places("order", 4)}}, c.others...)
		require.Equal(t, c.want, uneven(members, "a", "order"), name)
	}
}
