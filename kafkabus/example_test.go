package kafkabus_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// OrderCreated is what happened to an order.
type OrderCreated struct{ Total int }

// EventType names the event, for ever.
func (OrderCreated) EventType() string { return "order.created" }

// It needs a broker, and so is not run here.
func Example() {
	bus, err := kafkabus.New(kafkabus.Options{
		Options: eventbus.Options{Group: "shop"}, Brokers: []string{"kafka.example.com:9092"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	_, err = bus.Subscribe(ctx, eventbus.Subscriber{
		Name: "mailer",
		Handler: eventbus.On(func(_ context.Context, e eventbus.Event[OrderCreated]) error {
			fmt.Println("an order of", e.Payload.Total)
			return nil
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42})); err != nil {
		fmt.Println(err)
	}
	if err := eventbus.Run(ctx, bus, 30*time.Second); err != nil {
		fmt.Println(err)
	}
}
