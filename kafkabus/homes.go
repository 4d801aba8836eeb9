package kafkabus

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// homes are the shards of partitions: one for each broker, so that what goes to it goes in one request, and waits for no
// other broker. A partition's is that of its leader when the topic was first used, and stays that for good, whoever leads
// later: of an aggregate nothing must overtake. So do the shard of a topic that was not there then, which is nobody's, and
// the number of partitions by which aggregates are told apart.
type homes struct {
	known atomic.Pointer[map[engine.Address]*home]
	mu    sync.Mutex // of who adds one
}

type home struct {
	partitions []int
	shards     []uint32 // by partition
}

// nobody's shard has what is of no broker.
var nobody = &home{[]int{0}, []uint32{1<<32 - 1}}

// of returns the home of the address. It is that of now if it has none.
func (h *homes) of(to engine.Address, now func() *home) *home {
	if known := h.known.Load(); known != nil {
		if x := (*known)[to]; x != nil {
			return x
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	next := map[engine.Address]*home{}
	if known := h.known.Load(); known != nil {
		if x := (*known)[to]; x != nil {
			return x
		}
		maps.Copy(next, *known)
	}
	next[to] = now()
	h.known.Store(&next)
	return next[to]
}

// homeOf makes one of who leads now.
func homeOf(x *route) *home {
	if x == nil {
		return nobody
	}
	h := &home{x.partitions, make([]uint32, len(x.leaders))}
	for i, leader := range x.leaders { // -1 is nobody too
		h.shards[i] = uint32(leader)
	}
	return h
}

// Shard is that of the aggregate for good.
func (t *transport) Shard(to engine.Address, key string) uint32 {
	h := t.homes.of(to, func() *home {
		if p := t.routes.now.Load(); p != nil {
			return homeOf(p.topics[t.target(to)])
		}
		return nobody
	})
	if key == "" || len(h.shards) == 1 { // without a key nothing has an order
		return h.shards[0]
	}
	return h.shards[partitionOf(key, h.partitions)]
}
