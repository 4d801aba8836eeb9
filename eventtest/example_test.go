package eventtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/eventtest"
)

// OrderPlaced is what the shop of the example publishes.
type OrderPlaced struct {
	Total int `json:"total"`
}

// EventType names the event, for ever.
func (OrderPlaced) EventType() string { return "order.placed" }

// OrderCancelled is what it does not publish.
type OrderCancelled struct{}

// EventType names the event, for ever.
func (OrderCancelled) EventType() string { return "order.cancelled" }

type shop struct{ bus eventbus.EventBus }

func (s shop) checkout(ctx context.Context, id string) error {
	return s.bus.Publish(ctx, eventbus.New(id, OrderPlaced{Total: 42}))
}

// The body of a test, whose t it is.
func Example() {
	t := &testing.T{}
	events := eventtest.Record(t, eventbus.Discard()) // or any other bus

	if err := (shop{events}).checkout(context.Background(), "order-42"); err != nil {
		fmt.Println(err)
	}

	placed := eventtest.Only[OrderPlaced](events)
	fmt.Println(placed.AggregateID, placed.Payload.Total)
	eventtest.None[OrderCancelled](events)
	fmt.Println(events.Wait(context.Background(), "order.*").Type)
	// Output:
	// order-42 42
	// order.placed
}
