package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

const rabbitNodes = 3

// rabbitConf is what a cluster adds to the image's own. A minority stops to work, which is
// what keeps RabbitMQ's own tables whole, and a paused node is missed after 10 s, not 60.
const rabbitConf = `cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = rabbit@rabbit1
cluster_formation.classic_config.nodes.2 = rabbit@rabbit2
cluster_formation.classic_config.nodes.3 = rabbit@rabbit3
cluster_partition_handling = pause_minority
net_ticktime = 10
`

// rabbitCommand begins in a directory that the server can write to. A node that starts while
// others wait for it first compares its database with theirs, and for that opens an empty one
// where it was started. In the image that is /, so it would end with "Cannot create Mnesia
// dir", and the cluster would not come back as a whole.
var rabbitCommand = []string{"sh", "-c", "cd /var/lib/rabbitmq && exec docker-entrypoint.sh rabbitmq-server"}

// RabbitMQCluster is three nodes. A quorum queue has a member on each.
type RabbitMQCluster struct {
	t testing.TB
	// Nodes are the nodes.
	Nodes []*broker.Node
	// Servers are where each is found. A client of one uses the queues of all.
	Servers []broker.Server
}

// RabbitMQ starts a cluster that is the test's alone.
func RabbitMQ(t testing.TB) *RabbitMQCluster {
	t.Helper()
	network, ports := broker.NewNetwork(t), freePorts(t, 2*rabbitNodes)
	c := &RabbitMQCluster{t: t}
	var specs []broker.Spec
	for i := range rabbitNodes {
		server, api := ports[2*i], ports[2*i+1]
		s := broker.RabbitMQ.At(server, api)
		c.Servers = append(c.Servers, s)
		specs = append(specs, broker.Spec{
			Name: fmt.Sprintf("RabbitMQ node %d", i+1), Image: broker.RabbitMQ.Image(),
			Ports: map[string]int{"5672/tcp": server, "15672/tcp": api},
			Cmd:   rabbitCommand,
			Files: []broker.File{
				{Path: "/etc/rabbitmq/conf.d/20-cluster.conf", Content: rabbitConf, Mode: 0o644},
				{Path: "/var/lib/rabbitmq/.erlang.cookie", Content: strings.ToUpper(network.Name), Mode: 0o600},
			},
			Network: network.Name, Host: fmt.Sprintf("rabbit%d", i+1), IP: network.IP(i),
			Ready: s.Ready,
		})
	}
	c.Nodes = start(t, specs)
	c.AwaitReplicated()
	return c
}

// Leader returns which node has the leader of the quorum queue, by its own word. If none
// has, as after the leader was killed, it waits for the next.
func (c *RabbitMQCluster) Leader(queue string) int {
	c.t.Helper()
	return find(c.t, c.Nodes, func(ctx context.Context, i int) error {
		var q rabbitQueue
		if err := c.get(ctx, i, "/api/queues/%2F/"+url.PathEscape(queue), &q); err != nil {
			return err
		}
		if q.Leader != rabbitName(i) {
			return fmt.Errorf("says that %s leads %s", q.Leader, queue)
		}
		return nil
	})
}

// AwaitReplicated returns when each node says that all are members and run, and that each
// quorum queue has its three members.
func (c *RabbitMQCluster) AwaitReplicated() {
	c.t.Helper()
	await(c.t, c.Nodes, func(ctx context.Context, i int) error {
		if err := c.Servers[i].Ready(ctx); err != nil {
			return err
		}
		if err := c.members(ctx, i); err != nil {
			return err
		}
		return c.replicated(ctx, i)
	})
}

func (c *RabbitMQCluster) members(ctx context.Context, i int) error {
	var nodes []struct{ Running bool }
	if err := c.get(ctx, i, "/api/nodes", &nodes); err != nil {
		return err
	}
	running := 0
	for _, n := range nodes {
		if n.Running {
			running++
		}
	}
	if running != rabbitNodes {
		return fmt.Errorf("says that %d nodes run", running)
	}
	return nil
}

// rabbitQueue is what the management interface says of a queue. Of members those are online
// whose node and process run.
type rabbitQueue struct {
	Name, Type, Leader string
	Members, Online    []string
}

func (c *RabbitMQCluster) replicated(ctx context.Context, i int) error {
	var queues []rabbitQueue
	if err := c.get(ctx, i, "/api/queues", &queues); err != nil {
		return err
	}
	for _, q := range queues {
		if q.Type == "quorum" && (q.Leader == "" || len(q.Members) != rabbitNodes || len(q.Online) != rabbitNodes) {
			return fmt.Errorf("of quorum queue %s: leader %q, members %v, online %v", q.Name, q.Leader, q.Members, q.Online)
		}
	}
	return nil
}

// get asks the management interface of the node.
func (c *RabbitMQCluster) get(ctx context.Context, i int, path string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Servers[i].API+path, http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

func rabbitName(i int) string { return fmt.Sprintf("rabbit@rabbit%d", i+1) }
