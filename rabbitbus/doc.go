// Package rabbitbus is the event bus on RabbitMQ: durable, shared by many processes, on a stock
// server or cluster of RabbitMQ 4 without plugins.
//
//	bus, err := rabbitbus.New(rabbitbus.Options{
//		Options: eventbus.Options{Group: "shop"}, URL: "amqp://shop:secret@rabbit.example.com/",
//	})
//	_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: eventbus.On(sendMail)})
//	err = bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42}))
//	err = eventbus.Run(ctx, bus, 30*time.Second) // Start, wait for ctx, Shutdown
//
// # Promises
//
// Publish returns nil when the server has confirmed the events: each queue that wants one has
// it on the disks of most of its nodes. An event whose confirm was lost is reported as unknown,
// and never sent again by the bus. So is one that a queue has refused, since others may have
// taken it. An event that no queue wants is counted and gone, unless Options.RequireRoute: the
// server keeps events for groups alone, so a new group starts with what is published from then
// on.
//
// Every subscriber is a durable quorum queue, bound to its patterns; bindings are only added,
// and removed by [Bus.Unbind].
// Its members in all processes share the events. An event is handled at least once: what a
// process had when its connection was lost is delivered again in its old order, and before
// what is younger: at once, or when the server notices a loss without a word, three heartbeats
// later.
//
// Events of one aggregate are handled in the order of their publication by each process. When
// several share a group they may overtake each other: one process, handlers that mind
// AggregateVersion, or Options.SingleActiveConsumer, where that matters.
//
// A retry of an unordered subscriber waits in a queue of the group alone, and then goes behind
// what waits in the group's own queue. It survives a crash. Where the confirm of a retry or of
// a replay was lost it is sent again, and may be there twice: the server does not know that it
// is the same.
//
// While the server is short of memory or disk it takes nothing: Publish fails with [ErrBlocked]
// within a second or so, retries and dead letters wait, and handling goes on.
//
// # Connections
//
// There are up to three, made when they are needed and made again when they are over: one for
// what is published, one for what is consumed, and one for dead letters and for looking. The
// client's own recovery is not used. All methods may be called concurrently. Names, properties
// and headers, for programs in other languages, are in docs/wire-rabbitmq.md.
package rabbitbus
