package kafkabus

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// led is a transport to whose picture of the cluster a topic of orders belongs, with a leader for each partition.
func led(leaders ...int32) *transport {
	t := &transport{names: names{"x"}}
	t.leads(leaders...)
	return t
}

func (t *transport) leads(leaders ...int32) {
	topics := map[string]*route{}
	if len(leaders) > 0 {
		topics["x.order"] = &route{numbered(len(leaders)), leaders}
	}
	t.routes.now.Store(&picture{taken: time.Now(), topics: topics})
}

// shardsOf are those of 100 aggregates.
func (t *transport) shardsOf() []uint32 {
	out := make([]uint32, 100)
	for i := range out {
		out[i] = t.Shard(engine.Address{Topic: "order"}, fmt.Sprint("order-", i))
	}
	return out
}

func TestAShardIsForABroker(t *testing.T) {
	x := led(7, 8, 7, 9)
	for i, shard := range x.shardsOf() {
		leader := []uint32{7, 8, 7, 9}[partitionOf(fmt.Sprint("order-", i), numbered(4))]
		require.Equal(t, leader, shard)
	}
}

func TestAnAggregateKeepsItsShard(t *testing.T) {
	for name, change := range map[string]func(*transport){
		"leaders moved":           func(x *transport) { x.leads(8, 7, 7, 7) },
		"a partition is headless": func(x *transport) { x.leads(-1, 8, 7, 9) },
		"partitions were added":   func(x *transport) { x.leads(7, 8, 7, 9, 10, 11) },
		"the topic is gone":       func(x *transport) { x.leads() },
		"the picture is old":      func(x *transport) { x.routes.forget() },
	} {
		t.Run(name, func(t *testing.T) {
			x := led(7, 8, 7, 9)
			before := x.shardsOf()
			change(x)
			require.Equal(t, before, x.shardsOf())
		})
	}
	t.Run("the topic was made meanwhile", func(t *testing.T) {
		x := led()
		before := x.shardsOf()
		x.leads(7, 8, 7, 9)
		require.Equal(t, before, x.shardsOf())
	})
	t.Run("there was no picture", func(t *testing.T) {
		x := &transport{names: names{"x"}}
		before := x.shardsOf()
		x.leads(7, 8)
		require.Equal(t, before, x.shardsOf())
	})
}
