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
// # Modes
//
// Options.Mode says which goroutines run the handlers. What stands beneath this table is
// about the mode Concurrent.
//
//	                Concurrent               Inline                    InlineTogether           Manual
//	handlers run    in goroutines of the     in Publish, one after     in Publish, those of one in Drain, one after
//	                bus                      another                   event at the same time   another
//	order           of each aggregate, for   of each publisher; of     of each publisher; none  first in, first out;
//	                each subscriber          registration for an event among the handlers       of registration
//	at once         Concurrency, one for an  as many as publish, also  as Inline                one
//	                aggregate                for an aggregate
//	Publish waits   for room                 for the handlers          for the handlers         for room
//	retries         by the policy            none: one attempt         none: one attempt        none: one attempt
//	a failure is    observed, and a letter   logged, observed, a       logged, observed, a      logged, observed, a
//	                after the last attempt   letter; never returned    letter; never returned   letter; never returned
//	letters full    the event waits in its   it is lost, logged, and   as Inline                as Inline
//	                lane                     told by Health for 1 min
//	back-pressure   Capacity for each        the handlers themselves;  as Inline                Capacity of the queue,
//	                subscriber, wait or fail 10,000 calls at once                               wait or fail
//	a handler that  is taken beyond the      nests: its event is       nests: its event is      joins the queue beyond
//	publishes       bound                    handled before Publish    handled before Publish   its bound
//	                                         returns                   returns
//	context of a    the bus's, with a        the publisher's; with     as Inline                derives from Drain's;
//	handler         time-out                 Timeout, derived from it                           Timeout where it is set
//	before Start    events wait              handlers run: it needs    as Inline                events wait, Drain is
//	                                         no Start                                           refused
//	while paused    events wait              Publish waits, at most    as Inline                Drain stops at the next
//	                                         PublishTimeout; then the                           event that is to go
//	                                         event is a letter. Who                             there, with an error
//	                                         waits counts as Running
//	replay          goes to the group again  runs the handler, without as Inline                joins the queue beyond
//	                                         the replayer's deadline                            its bound
//	Stop            waits for handlers; the  does not wait: Done does; as Inline                as Inline; what waits
//	                group goes on collecting the group ends with it                             for it is dropped
//	Shutdown        interrupts handlers when waits; handlers cannot be as Inline                as Inline; what was not
//	                its context ends         interrupted                                        drained is gone
//
// Where there is one attempt, Retry, Hold, Unordered, Concurrency and Window mean nothing, and
// Timeout counts only where a subscriber sets it. A Publish of a [*Bus] costs no allocation
// in the mode Inline; Manual is for tests, and for programs with a loop of their own. An inline
// handler is not known to the bus, unless it has a Timeout: [eventbus.DeliveryOf] tells it
// what it would tell its publisher, and it must not call Shutdown or Clear, which would wait for it.
// [Bus.Clear] empties a bus of any mode between tests.
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
