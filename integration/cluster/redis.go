package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

const (
	redisMasters = 3
	redisNodes   = 2 * redisMasters
	redisPort    = "6379"
)

// RedisCluster is three masters with a replica each. Redis answers a write before a replica
// has it, so what was written just before a master is killed may be gone.
type RedisCluster struct {
	t testing.TB
	// Nodes are the nodes, in no order: who is master changes.
	Nodes []*broker.Node
	// Servers are where each is found, for clients that want that one alone.
	Servers []broker.Server
	// Addresses are where those are found that the nodes tell clients.
	Addresses Addresses
	addrs     []string // of each node, in the network
}

// Redis starts a Redis Cluster that is the test's alone.
func Redis(t testing.TB) *RedisCluster {
	t.Helper()
	network := broker.NewNetwork(t)
	c := &RedisCluster{t: t, Addresses: Addresses{}}
	var specs []broker.Spec
	for i, port := range freePorts(t, redisNodes) {
		s := broker.Redis.At(port)
		c.Servers = append(c.Servers, s)
		c.addrs = append(c.addrs, net.JoinHostPort(network.IP(i), redisPort))
		c.Addresses[c.addrs[i]] = s.Addr
		specs = append(specs, broker.Spec{
			Name: fmt.Sprintf("Redis Cluster node %d", i+1), Image: broker.Redis.Image(),
			Ports: map[string]int{redisPort + "/tcp": port},
			// A master is missed after 2 s. Its replica takes over however long it was without it.
			Cmd: []string{"redis-server", "--appendonly", "yes", "--save", "", "--repl-diskless-sync-delay", "0",
				"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-replica-validity-factor", "0"},
			Network: network.Name, Host: fmt.Sprintf("redis%d", i+1), IP: network.IP(i),
			Ready: s.Ready,
		})
	}
	c.Nodes = start(t, specs)
	create := append([]string{"redis-cli", "--cluster", "create"}, c.addrs...)
	c.Nodes[0].Exec(append(create, "--cluster-replicas", "1", "--cluster-yes")...)
	c.AwaitReplicated()
	return c
}

// Options are those of a client of the cluster: redis.NewClusterClient, or a part of
// redis.UniversalOptions. The rest is go-redis's default, of which one is long for a test:
// a client whose master was killed goes on dialling it until the list of nodes is a
// ClusterStateReloadInterval old, a minute, unless another node sends it elsewhere.
func (c *RedisCluster) Options() *redis.ClusterOptions {
	return &redis.ClusterOptions{Addrs: c.addrs, Dialer: c.Addresses.Dial}
}

// Master returns which node has the key's slot, by its own word, and takes writes. If none
// does, as after the master was killed, it waits for the next.
func (c *RedisCluster) Master(key string) int {
	c.t.Helper()
	return find(c.t, c.Nodes, func(ctx context.Context, i int) error {
		return with(c.Servers[i].Addr, func(r *redis.Client) error {
			if err := stateOK(ctx, r); err != nil {
				return err
			}
			nodes, err := owners(ctx, r, key)
			if err == nil && nodes[0] != c.addrs[i] {
				err = fmt.Errorf("says that %s has the slot of %s", nodes[0], key)
			}
			return err
		})
	})
}

// Replica returns which node is the replica of the key's master, by its own word.
func (c *RedisCluster) Replica(key string) int {
	c.t.Helper()
	return find(c.t, c.Nodes, func(ctx context.Context, i int) error {
		return with(c.Servers[i].Addr, func(r *redis.Client) error {
			nodes, err := owners(ctx, r, key)
			if err == nil && (len(nodes) < 2 || nodes[1] != c.addrs[i]) {
				err = fmt.Errorf("says that %s are the master and the replica of %s", nodes, key)
			}
			return err
		})
	})
}

// AwaitReplicated returns when each node says that all slots are served and that it sees all
// nodes, and each replica that it follows its master.
func (c *RedisCluster) AwaitReplicated() {
	c.t.Helper()
	await(c.t, c.Nodes, func(ctx context.Context, i int) error {
		return with(c.Servers[i].Addr, func(r *redis.Client) error {
			return firstOf(stateOK(ctx, r), seesAll(ctx, r), replicated(ctx, r, 1))
		})
	})
}

// stateOK: "redis-cli --cluster create" returns before all nodes think so.
func stateOK(ctx context.Context, r *redis.Client) error {
	info, err := r.ClusterInfo(ctx).Result()
	if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384")) {
		err = fmt.Errorf("says %q", info)
	}
	return err
}

func seesAll(ctx context.Context, r *redis.Client) error {
	list, err := r.ClusterNodes(ctx).Result()
	if err != nil {
		return err
	}
	seen := 0
	for line := range strings.Lines(list) {
		// ID, address, flags, master, ping, pong, epoch, state of the link, slots
		f := strings.Fields(line)
		if len(f) > 7 && f[7] == "connected" && !strings.Contains(f[2], "fail") && !strings.Contains(f[2], "handshake") {
			seen++
		}
	}
	if seen != redisNodes {
		return fmt.Errorf("sees %d nodes:\n%s", seen, list)
	}
	return nil
}

// owners are the addresses of the master of the key's slot and of its replicas.
func owners(ctx context.Context, r *redis.Client, key string) (addrs []string, err error) {
	slot, err := r.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	shards, err := r.ClusterShards(ctx).Result()
	if err != nil {
		return nil, err
	}
	has := func(s redis.SlotRange) bool { return s.Start <= slot && slot <= s.End }
	for _, shard := range shards {
		if !slices.ContainsFunc(shard.Slots, has) {
			continue
		}
		for _, n := range shard.Nodes {
			addr := fmt.Sprintf("%s:%d", n.IP, n.Port)
			switch {
			case strings.HasPrefix(n.Health, "fail"): // a master that was replaced is one in this list until it is back
			case n.Role == "master":
				addrs = slices.Insert(addrs, 0, addr)
			default:
				addrs = append(addrs, addr)
			}
		}
	}
	if len(addrs) == 0 {
		err = errors.New("knows nobody who has the slot of " + key)
	}
	return addrs, err
}
