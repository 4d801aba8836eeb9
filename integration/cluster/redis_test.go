package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/cluster"
)

// eventually waits for a client that follows its servers by itself.
func eventually(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// streams are keys in so many slots that each master has some.
func streams() (keys []string) {
	for i := range 100 {
		keys = append(keys, fmt.Sprint("stream", i))
	}
	return keys
}

// add appends to each stream, and returns when all have answered.
func add(t *testing.T, c redis.Cmdable, keys []string) {
	t.Helper()
	for _, key := range keys {
		eventually(t, func(ctx context.Context) error {
			return c.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []string{"k", "v"}}).Err()
		})
	}
}

// copied waits until the servers have so many keys together.
func copied(t *testing.T, servers []broker.Server, n int) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		sum := int64(0)
		for _, s := range servers {
			c := redis.NewClient(&redis.Options{Addr: s.Addr})
			keys, err := c.DBSize(ctx).Result()
			if err := errors.Join(err, c.Close()); err != nil {
				return err
			}
			sum += keys
		}
		if sum != int64(n) {
			return fmt.Errorf("%d keys of %d", sum, n)
		}
		return nil
	})
}

func TestRedisClusterWritesInAllSlotsWhenAMasterIsKilled(t *testing.T) {
	long(t)
	lap := took(t)
	c := cluster.Redis(t)
	lap("six nodes up")
	o := c.Options()
	o.ClusterStateReloadInterval = time.Second
	client := redis.NewClusterClient(o)
	defer client.Close()
	keys := streams()
	masters := map[int]bool{}
	for _, key := range keys[:20] {
		masters[c.Master(key)] = true
	}
	require.Len(t, masters, 3)
	lap("masters found")
	add(t, client, keys)
	copied(t, c.Servers, 2*len(keys))
	lap("100 streams written to, and copied")

	master, replica := c.Master(keys[0]), c.Replica(keys[0])
	require.NotEqual(t, master, replica)
	c.Nodes[master].Kill()
	require.Equal(t, replica, c.Master(keys[0]), "the replica has taken over")
	lap("killed a master, and its replica takes writes")
	add(t, client, keys)
	lap("100 streams written to again")

	c.Nodes[master].Start()
	c.AwaitReplicated()
	lap("the old master is back")
	require.Equal(t, master, c.Replica(keys[0]), "as the replica")
	for _, key := range keys {
		n, err := client.XLen(t.Context(), key).Result()
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, int64(2))
	}
}
