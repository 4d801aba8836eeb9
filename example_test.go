package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

// OrderCreated is what happened to an order.
type OrderCreated struct {
	Total int `json:"total"`
}

// EventType names the event, for ever.
func (OrderCreated) EventType() string { return "order.created" }

// The program of the README.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	sendMail := func(_ context.Context, e eventbus.Event[OrderCreated]) error {
		fmt.Printf("%s: thank you for %d\n", e.AggregateID, e.Payload.Total)
		stop()
		return nil
	}
	service := func() error {
		bus, err := memory.New(memory.Options{})
		if err != nil {
			return err
		}
		_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: eventbus.On(sendMail)})
		if err != nil {
			return err
		}
		if err := bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42})); err != nil {
			return err
		}
		return eventbus.Run(ctx, bus, 30*time.Second) // Start, wait for ctx, Shutdown
	}
	if err := service(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: order-42: thank you for 42
}

// A handler that fails for good leaves a dead letter, which is replayed once the
// handler is mended.
func Example_deadLetters() {
	ctx := context.Background()
	bus, err := memory.New(memory.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mended, done, buried := false, make(chan struct{}), make(chan struct{})
	bill := func(_ context.Context, e eventbus.Event[OrderCreated]) error {
		if !mended {
			defer close(buried)
			return eventbus.Permanent(errors.New("no tariff"))
		}
		fmt.Println("billed", e.AggregateID)
		close(done)
		return nil
	}
	_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "biller", Handler: eventbus.On(bill)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := errors.Join(bus.Start(ctx), bus.Publish(ctx, eventbus.New("order-1", OrderCreated{Total: 7}))); err != nil {
		fmt.Println(err)
		return
	}
	<-buried

	letters, _ := dlq.Of(bus)
	for n := 0; n == 0; { // the letter is stored right after the handler has returned
		n, err = letters.Count(ctx, dlq.All)
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	for l, err := range letters.List(ctx, dlq.Filter{Subscriber: "biller"}) {
		fmt.Println(l.Type, l.AggregateID, l.Reason, l.Errors[0], err)
	}
	mended = true
	res, err := letters.Replay(ctx, dlq.Filter{Subscriber: "biller"}, dlq.ReplayOptions{})
	fmt.Println("replayed", res.Replayed, err)
	<-done
	if err := bus.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// order.created order-1 handler error permanent: no tariff <nil>
	// replayed 1 <nil>
	// billed order-1
}

// One subscriber with a case for each type, as a projection has it.
func ExampleHandlers() {
	h := eventbus.Handlers(
		eventbus.On(func(context.Context, eventbus.Event[OrderCreated]) error { return nil }),
	)
	s := eventbus.Subscriber{Name: "orders", Handler: h}.WithDefaults(eventbus.Options{}.WithDefaults())
	fmt.Println(s.Events)
	// Output: [order.created]
}

// What a service publishes and who subscribes, as a table for its documentation.
func ExampleNewCatalogue() {
	sendMail := func(context.Context, eventbus.Event[OrderCreated]) error { return nil }
	subscribers := []eventbus.Subscriber{ // the same that the program subscribes
		{Name: "mailer", Handler: eventbus.On(sendMail)},
		{Name: "reports", Group: "bi", Events: []string{"order.*", "invoice.#"}}, // of another service
	}
	c, err := eventbus.NewCatalogue(eventbus.CatalogueOptions{
		Group: "shop",
		Publishes: []eventbus.Publication{
			eventbus.Publishes[OrderCreated]("A customer has placed an order."),
			eventbus.PublishesNamed("order.imported", "An order has come from the old shop.",
				eventbus.PayloadField{Name: "number", Type: "string", Doc: "as the old shop counts"}),
		},
		Subscribers: subscribers,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(c.Markdown())
	// Output:
	// | event | source | payload | purpose | subscribers |
	// |---|---|---|---|---|
	// | `order.created` | `/shop` | `total` integer | A customer has placed an order. | `bi.reports`<br>`shop.mailer` |
	// | `order.imported` | `/shop` | `number` string: as the old shop counts | An order has come from the old shop. | `bi.reports` |
	//
	// | subscriber | patterns | gets | notes |
	// |---|---|---|---|
	// | `bi.reports` | `order.*`<br>`invoice.#` | all 2 | `invoice.#` selects nothing listed |
	// | `shop.mailer` | `order.created` | `order.created` |  |
}

// Everything that is wrong with the options is said at once.
func ExampleOptions_Validate() {
	_, err := memory.New(memory.Options{
		Options:  eventbus.Options{Group: "my shop", Retry: eventbus.RetryPolicy{Attempts: -1}},
		Capacity: -5,
	})
	fmt.Println(err)
	// Output:
	// eventbus: options: group: must be 1 to 100 bytes of [A-Za-z0-9_-], without dots (got "my shop")
	// retry.attempts: must be from 1 to 1,000,000, or 0 for the default (got -1)
	// capacity: must be from 1 to 10,000,000, or 0 for the default (got -5)
}

// Publish returns at once; what is not stored later is told to Failed.
func ExampleBackground() {
	ctx := context.Background()
	stored, err := memory.New(memory.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	bus, err := eventbus.Background(stored, eventbus.BackgroundOptions{
		Bound: 50_000,
		Failed: func(_ context.Context, e eventbus.DomainEvent, err error) {
			fmt.Println("lost", e.AggregateID, err)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42})); err != nil {
		fmt.Println(err)
	}
	if err := bus.Shutdown(ctx); err != nil { // drains
		fmt.Println(err)
	}
	fmt.Println(bus.Stats().Published, "published")
	// Output: 1 published
}

// A group that nobody serves: what waits for it, and how to let it go.
func ExampleInspector() {
	ctx := context.Background()
	bus, err := memory.New(memory.Options{Options: eventbus.Options{Group: "shop"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ignore := eventbus.On(func(context.Context, eventbus.Event[OrderCreated]) error { return nil })
	mailer, err := bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: ignore})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := errors.Join(mailer.Stop(ctx), bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42}))); err != nil {
		fmt.Println(err)
	}
	g, err := bus.Group(ctx, "shop.mailer")
	fmt.Println(g.Lag, g.Pending, g.Delayed, g.Letters, len(g.Members), err)
	fmt.Println(bus.ResetGroup(ctx, "shop.mailer", eventbus.Now()))
	g, err = bus.Group(ctx, "shop.mailer")
	fmt.Println(g.Lag, err)
	// Output:
	// 1 0 0 0 0 <nil>
	// <nil>
	// 0 <nil>
}
