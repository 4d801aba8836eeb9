// Package eventbus is one event bus over several backends: typed domain events,
// order per aggregate, retries that reach only the subscriber that failed, and
// dead letters that can be listed and replayed.
//
//	bus, err := memory.New(memory.Options{})
//	_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: eventbus.On(sendMail)})
//	err = bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42}))
//	err = eventbus.Run(ctx, bus, 30*time.Second)
//
// # Promises
//
// Publish returns nil only when the backend has taken every event. An accepted
// event is handled at least once by every subscriber that matches, or stands in
// that subscriber's dead letters. Events of one aggregate are handled in publish
// order, also while one of them is retried. A failing, panicking or stuck handler
// affects no other subscriber. Shutdown finishes what runs, loses nothing, and
// counts nothing as failed that it interrupted.
//
// # Catalogue
//
// [NewCatalogue] lists what a program publishes and who subscribes, as values and as
// a Markdown table, without a bus.
package eventbus
