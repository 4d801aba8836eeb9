package redisbus_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// OrderCreated is what happened to an order.
type OrderCreated struct{ Total int }

// EventType names the event, for ever.
func (OrderCreated) EventType() string { return "order.created" }

func Example() {
	server, err := miniredis.Run() // in a program: the address of a server
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { _ = client.Close() }()

	ctx, stop := context.WithCancel(context.Background())
	sendMail := func(_ context.Context, e eventbus.Event[OrderCreated]) error {
		fmt.Printf("mail about %s: %d\n", e.AggregateID, e.Payload.Total)
		stop() // that was all
		return nil
	}

	bus, err := redisbus.New(client, redisbus.Options{Options: eventbus.Options{Group: "shop"}})
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
