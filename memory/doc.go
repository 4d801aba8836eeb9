// Package memory is the event bus in the memory of one process: for programs of
// one process, for tests, and to begin with.
//
//	bus, err := memory.New(memory.Options{})
//	_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: eventbus.On(sendMail)})
//	err = bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42}))
//	err = eventbus.Run(ctx, bus, 30*time.Second) // Start, wait for ctx, Shutdown
//
// Buses that share a [Broker] stand for the instances of a service, or for several
// services:
//
//	broker, err := memory.NewBroker(memory.BrokerOptions{})
//	shop, err := broker.Open(eventbus.Options{Group: "shop"})
//	audit, err := broker.Open(eventbus.Options{Group: "audit"})
//
// # Promises
//
//   - Delivery: at least once as long as the process lives. What a bus had not
//     finished when it was shut down goes to the next member of the group, at its
//     old place.
//   - Durability: none. With the process goes everything: waiting events, retries,
//     dead letters. Nothing is retained either: a new group starts with the first
//     event published after Subscribe, whatever Subscriber.From says, and a group
//     that nobody has joined yet gets nothing.
//   - Order: every group sees all events in one and the same order. Across the
//     members of a group, which share its events, there is none.
//   - Bound: Options.Capacity for each group; it counts what waits, what is under
//     way, and what waits for a retry in the broker.
//   - Back-pressure: an event goes to all of its groups or to none. When one of
//     them has no room, Publish waits for it, in the order of coming, or fails, as
//     Options.WhenFull says; either way with a [FullError] that names the group. So
//     a subscriber that does not keep up holds up those who publish what it asked
//     for, once its room is used up, and nobody else. Handlers that publish, and
//     retries, never wait: they are taken beyond the bound, and counted in
//     eventbus.Stats.
//   - Without a member a group goes on collecting, up to the bound, until a member
//     comes back or eventbus.Admin's DeleteGroup removes it. What the members asked
//     for adds up: to ask for less takes a new group.
//   - Isolation: subscribers get the value as it was published, all of them the
//     same one. It is immutable, also in its maps and slices. With Options.Encode
//     each event goes through the wire format instead, which costs time and shows
//     early what another backend would do to it.
//
// The bus starts no goroutine for the broker, and a broker needs no closing.
package memory
