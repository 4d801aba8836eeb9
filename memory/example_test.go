package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

// OrderCreated is what happened to an order.
type OrderCreated struct{ Total int }

// EventType names the event, for ever.
func (OrderCreated) EventType() string { return "order.created" }

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	sendMail := func(_ context.Context, e eventbus.Event[OrderCreated]) error {
		fmt.Printf("mail about %s: %d\n", e.AggregateID, e.Payload.Total)
		stop() // that was all
		return nil
	}

	bus, err := memory.New(memory.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: eventbus.On(sendMail)}); err != nil {
		fmt.Println(err)
		return
	}
	if err := bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42})); err != nil {
		fmt.Println(err)
		return
	}
	if err := eventbus.Run(ctx, bus, 30*time.Second); err != nil {
		fmt.Println(err)
	}
	// Output: mail about order-42: 42
}

// Two services on one broker; the second one is slow to begin, and gets
// everything that was published since it subscribed.
func ExampleBroker() {
	ctx := context.Background()
	broker, err := memory.NewBroker(memory.BrokerOptions{Capacity: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	shop, err := broker.Open(eventbus.Options{Group: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	audit, err := broker.Open(eventbus.Options{Group: "audit"})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan struct{})
	log := func(_ context.Context, e eventbus.DomainEvent) error {
		fmt.Println("audit:", e.Type, e.AggregateID)
		if e.AggregateID == "order-2" {
			close(done)
		}
		return nil
	}
	_, err = audit.Subscribe(ctx, eventbus.Subscriber{
		Name: "log", Events: []string{"order.*"}, Handler: eventbus.HandlerFunc(log), Concurrency: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := shop.Publish(ctx, eventbus.New("order-1", OrderCreated{}), eventbus.New("order-2", OrderCreated{})); err != nil {
		fmt.Println(err)
	}
	if err := audit.Start(ctx); err != nil {
		fmt.Println(err)
	}
	<-done
	for _, bus := range []eventbus.EventBus{audit, shop} {
		if err := bus.Shutdown(ctx); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// audit: order.created order-1
	// audit: order.created order-2
}
