package cluster_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/cluster"
)

func TestSentinelPutsAReplicaInThePlaceOfAMasterThatIsKilled(t *testing.T) {
	long(t)
	lap := took(t)
	c := cluster.Sentinel(t)
	lap("three nodes and three sentinels up")
	client := redis.NewFailoverClient(c.Options())
	defer client.Close()
	keys := streams()
	add(t, client, keys)
	copied(t, c.Servers, 3*len(keys))
	lap("100 streams written to, and copied")

	first := c.Master()
	c.Nodes[first].Kill()
	lap("killed the master")
	add(t, client, keys)
	lap("100 streams written to by the same client")
	second := c.Master()
	require.NotEqual(t, first, second)

	c.Nodes[first].Start()
	lap("the old master started")
	c.AwaitReplicated()
	lap("it is a replica")
	require.Equal(t, second, c.Master())
	for _, key := range keys {
		n, err := client.XLen(t.Context(), key).Result()
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, int64(2))
	}

	c.Nodes[second].Kill()
	eventually(t, func(ctx context.Context) error { return client.Set(ctx, "after", "the second", 0).Err() })
	require.NotEqual(t, second, c.Master())
	lap("killed the second master, and written again")
}
