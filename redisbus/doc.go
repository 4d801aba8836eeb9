// Package redisbus is the event bus on Redis Streams: durable, shared by many processes,
// on a single server of Redis 7.0 or later.
//
//	client := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
//	bus, err := redisbus.New(client, redisbus.Options{Options: eventbus.Options{Group: "shop"}})
//	_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: eventbus.On(sendMail)})
//	err = bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42}))
//	err = eventbus.Run(ctx, bus, 30*time.Second) // Start, wait for ctx, Shutdown
//
// # Promises
//
// Publish returns nil when the server has taken the events; Options.Sync asks for replicas and
// the disk. An event whose answer was lost is reported as unknown, and never sent again
// by the bus. What a server without appendonly has accepted goes with it, which is logged
// when the bus begins.
//
// Every subscriber is a consumer group, whose members in all processes share the events. An
// event is handled at least once. What a process that is gone was handed comes to another
// one after Options.Lease, and within a second when it ended in good order; a process that
// lives keeps its lease, however long a handler takes. Where a lease is lost, the
// handler's context ends with [eventbus.ErrInterrupted].
//
// Events of one aggregate are handled in the order of their publication by each process. When
// several share a group they may overtake each other: one process, or handlers that mind
// AggregateVersion, where that matters.
//
// A retry of an unordered subscriber, and a replay, go to a stream of the group alone; what
// is not due yet waits in a sorted set. Both survive a crash, and are there once also if the
// server's answer is lost.
//
// Streams keep everything, unless Options.Retain bounds them: then the oldest events go that
// every group has acknowledged, and no others. Entries that somebody else has deleted are
// not handled, but counted and told: ErrTrimmed. A stream or group that has vanished is made again at its
// beginning, and handling goes on.
//
// # Connections
//
// The client stays the caller's, who closes it; the bus never uses it, but makes connections of
// its own with its options: address, user, TLS, dialer, time-outs. Hooks and limiters are not
// taken over. There is a pool for commands, and one connection for each topic that a subscription
// reads, since a read that waits holds its connection. go-redis writes about failing
// connections to standard error; redis.SetLogger is where to stop it.
//
// All methods may be called concurrently. Keys and formats, for programs in other languages,
// are in docs/wire-redis.md, the rights that a user of the server needs in docs/redis.md.
package redisbus
