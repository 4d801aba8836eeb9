package cluster

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

const (
	sentinelMaster = "mymaster"
	sentinelPort   = "26379"
	sentinels      = 3
	quorum         = 2
)

// SentinelCluster is a Redis master with two replicas, and three sentinels that put a replica
// in its place when it is gone for a second. Redis answers a write before a replica has it,
// so what was written just before the master is killed may be gone.
type SentinelCluster struct {
	t testing.TB
	// Nodes are master and replicas, in no order: who is master changes.
	Nodes []*broker.Node
	// Sentinels are the sentinels.
	Sentinels []*broker.Node
	// Servers are where each of Nodes is found, for clients that want that one alone.
	Servers []broker.Server
	// Addresses are where those are found that the sentinels tell clients, and the sentinels.
	Addresses Addresses
	watchers  []broker.Server // where each of Sentinels is found
	addrs     []string        // of Nodes, then of Sentinels, in the network
}

// Sentinel starts a Redis with sentinels that is the test's alone.
func Sentinel(t testing.TB) *SentinelCluster {
	t.Helper()
	network := broker.NewNetwork(t)
	c := &SentinelCluster{t: t, Addresses: Addresses{}}
	var nodes, watchers []broker.Spec
	for i, port := range freePorts(t, 3+sentinels) {
		s, inside := broker.Redis.At(port), redisPort
		if i >= 3 {
			inside = sentinelPort
		}
		c.addrs = append(c.addrs, net.JoinHostPort(network.IP(i), inside))
		c.Addresses[c.addrs[i]] = s.Addr
		spec := broker.Spec{
			Image: broker.Redis.Image(), Ports: map[string]int{inside + "/tcp": port},
			Network: network.Name, Host: fmt.Sprintf("redis%d", i+1), IP: network.IP(i),
			Ready: s.Ready,
		}
		if i < 3 {
			nodes, c.Servers = append(nodes, asNode(spec, network, i)), append(c.Servers, s)
		} else {
			watchers, c.watchers = append(watchers, asSentinel(spec, network, i-3)), append(c.watchers, s)
		}
	}
	c.Nodes = start(t, nodes)
	await(t, c.Nodes, c.follows) // who watches a master before it has replicas can put none in its place
	c.Sentinels = start(t, watchers)
	c.AwaitReplicated()
	return c
}

// asNode: what a sentinel tells a server about its role is written to its file.
func asNode(s broker.Spec, network broker.Network, i int) broker.Spec {
	conf := "appendonly yes\nsave \"\"\nrepl-diskless-sync-delay 0\n"
	if i > 0 {
		conf += fmt.Sprintf("replicaof %s %s\n", network.IP(0), redisPort)
	}
	s.Name = fmt.Sprintf("Redis node %d", i+1)
	s.Files = []broker.File{{Path: "/data/redis.conf", Content: conf, Mode: 0o644}}
	s.Cmd = []string{"redis-server", "/data/redis.conf"}
	return s
}

func asSentinel(s broker.Spec, network broker.Network, i int) broker.Spec {
	conf := "port " + sentinelPort + "\nprotected-mode no\n" +
		fmt.Sprintf("sentinel monitor %s %s %s %d\n", sentinelMaster, network.IP(0), redisPort, quorum) +
		"sentinel down-after-milliseconds " + sentinelMaster + " 1000\n" +
		"sentinel failover-timeout " + sentinelMaster + " 5000\n"
	s.Name = fmt.Sprintf("Sentinel %d", i+1)
	s.Files = []broker.File{{Path: "/data/sentinel.conf", Content: conf, Mode: 0o644}}
	s.Cmd = []string{"redis-server", "/data/sentinel.conf", "--sentinel"}
	return s
}

// Options are those of a client that follows the master: redis.NewFailoverClient, or a part
// of redis.UniversalOptions. The rest is go-redis's default.
func (c *SentinelCluster) Options() *redis.FailoverOptions {
	return &redis.FailoverOptions{
		MasterName: sentinelMaster, SentinelAddrs: slices.Clone(c.addrs[len(c.Servers):]), Dialer: c.Addresses.Dial,
	}
}

// Master returns which node is the master, by its own word and that of most sentinels. If
// none is, as after the master was killed, it waits for the next.
func (c *SentinelCluster) Master() int {
	c.t.Helper()
	return find(c.t, c.Nodes, func(ctx context.Context, i int) error {
		role := func(r *redis.Client) error {
			said, err := r.Do(ctx, "ROLE").Slice()
			if err == nil && said[0] != "master" {
				err = fmt.Errorf("says that it is a %s", said[0])
			}
			return err
		}
		if err := with(c.Servers[i].Addr, role); err != nil {
			return err
		}
		votes := 0
		for s := range c.watchers {
			if c.master(ctx, s) == c.addrs[i] {
				votes++
			}
		}
		if votes < quorum {
			return fmt.Errorf("is the master of %d of %d sentinels", votes, sentinels)
		}
		return nil
	})
}

// master is the address of the master by the sentinel's word, empty if it says none.
func (c *SentinelCluster) master(ctx context.Context, sentinel int) (addr string) {
	_ = with(c.watchers[sentinel].Addr, func(r *redis.Client) error {
		said, err := r.Do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinelMaster).StringSlice()
		if err == nil {
			addr = net.JoinHostPort(said[0], said[1])
		}
		return err
	})
	return addr
}

// AwaitReplicated returns when one node is the master that both others follow, and each
// sentinel sees that, and the other sentinels.
func (c *SentinelCluster) AwaitReplicated() {
	c.t.Helper()
	await(c.t, slices.Concat(c.Nodes, c.Sentinels), func(ctx context.Context, i int) error {
		if i < len(c.Nodes) {
			return c.follows(ctx, i)
		}
		return c.sees(ctx, i-len(c.Nodes))
	})
}

func (c *SentinelCluster) follows(ctx context.Context, i int) error {
	return with(c.Servers[i].Addr, func(r *redis.Client) error { return replicated(ctx, r, len(c.Servers)-1) })
}

func (c *SentinelCluster) sees(ctx context.Context, sentinel int) error {
	return with(c.watchers[sentinel].Addr, func(r *redis.Client) error {
		want := map[string]struct {
			flags string
			n     int
		}{"MASTERS": {"master", 1}, "REPLICAS": {"slave", len(c.Servers) - 1}, "SENTINELS": {"sentinel", sentinels - 1}}
		for what, w := range want {
			args := []any{"SENTINEL", what}
			if what != "MASTERS" {
				args = append(args, sentinelMaster)
			}
			list, err := r.Do(ctx, args...).Slice()
			if err != nil {
				return err
			}
			if n := flagged(list, w.flags); n != w.n || len(list) != w.n {
				return fmt.Errorf("sees %d %s, of which %d are there:\n%v", len(list), what, n, list)
			}
		}
		return nil
	})
}

// flagged counts those of the list with these flags and no more: one that is down has others.
func flagged(list []any, flags string) (n int) {
	for _, e := range list {
		if m, ok := e.(map[any]any); ok && m["flags"] == flags { // RESP3
			n++
		}
	}
	return n
}
