// Package cluster gives a test clusters of its own, in containers: three brokers of
// Apache Kafka, three nodes of RabbitMQ, a Redis Cluster, and Redis with Sentinel. Each
// node is a broker.Node, which can be stopped, killed, paused and started.
//
//	func TestTheLeaderIsKilled(t *testing.T) {
//		c := cluster.Kafka(t)
//		leader := c.Leader("orders", 0)
//		c.Nodes[leader].Kill()
//		// what goes on without it?
//		c.Nodes[leader].Start()
//		c.AwaitReplicated()
//	}
//
// # Promises
//
//   - A cluster is returned when every node, asked in its own protocol, says that it is a
//     member, and that everything has all of its replicas. AwaitReplicated waits for the
//     same later on.
//   - A node keeps its ports on 127.0.0.1, and its address on the cluster's own network,
//     over stop, kill and start. It starts as a member of what is left of the cluster;
//     where that is too little to work, broker.StartAll starts the others with it.
//   - Whatever waits ends the test after two minutes, and says which node was not as it
//     should be, and its last words.
//   - The test's end removes the containers and then the network. Where the test binary is
//     killed, the reaper of testcontainers-go does.
//
// The methods of a cluster belong to the test's goroutine, as those of its nodes do.
//
// # Addresses
//
// Nodes of Kafka and RabbitMQ are named to clients by their ports on 127.0.0.1. Nodes of
// Redis name each other to clients by the addresses that they use themselves, which are
// those of the network: from outside they are reached by a Dialer (Addresses). Redis could
// announce 127.0.0.1 instead, but there no node finds another; and host names, but one that
// does not run has none, and Sentinel cannot resolve it. The addresses are fixed (see
// broker.NewNetwork), since the engine gives a container that starts whichever is free:
// that of a sibling that is down, say, and neither JVMs nor sentinels look again.
package cluster
