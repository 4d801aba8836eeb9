// Package kafkabus is the event bus on Apache Kafka 4: durable, shared by many processes, with a
// past that a new group can read.
//
//	bus, err := kafkabus.New(kafkabus.Options{
//		Options: eventbus.Options{Group: "shop"}, Brokers: []string{"kafka.example.com:9092"},
//	})
//	_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "mailer", Handler: eventbus.On(sendMail)})
//	err = bus.Publish(ctx, eventbus.New("order-42", OrderCreated{Total: 42}))
//	err = eventbus.Run(ctx, bus, 30*time.Second) // Start, wait for ctx, Shutdown
//
// # Promises
//
// Publish returns nil when all replicas in sync have the events (acks=all). How many those are
// is the cluster's: see min.insync.replicas in docs/kafka.md. An event of which no broker has said
// what became of it is reported as unknown, and never sent again by the bus: kafka-go has no
// idempotent producer, so that a second time could store it twice. Nothing of the same call and
// partition is sent behind it.
//
// An event is handled at least once. Kafka keeps one offset for a partition: all before it is
// handled. What is handled beyond it, behind an event that is being retried, stands in a text that
// is committed with it, so that a restart does not repeat that either. A killed process is missed
// for Options.Session, 10 s. Then others take over, and handle what it may have begun one at a time.
//
// Events of one aggregate are handled in the order of their publication, across all processes of a
// group: they are in one partition, and that belongs to one process at a time. More processes than
// partitions do not help. Where somebody adds partitions keys move, and order ends for what waits.
//
// When a process comes or goes the group is shared out anew. Running handlers are waited for up to
// Options.Grace, 2 s, while the whole group stands still; what has not begun is handed over. A
// partition whose handler runs longer stays with its process. kafka-go has no cooperative groups,
// nor those of KIP-848.
//
// A retry of an unordered subscriber, and a replay, waits in a topic of the group alone and
// survives a crash. Where its outcome was unknown it is sent again, and may be there twice. Dead
// letters stand in a compacted topic of the group, which looking does not change; two processes
// never replay one letter at once.
//
// What the cluster deletes by age or size before a group has handled it is lost to the group, and
// told: [ErrTrimmed]. Of a group that had no process for a week Kafka forgets how far it was.
//
// # Topics
//
// The events of an aggregate type are in one topic, made by the first event or by Start for
// Topics.Names, with twelve partitions unless Topics.Partitions says otherwise. With Topics.Passive
// those of events, retries and dead letters must be there. A subscriber finds new topics and
// partitions within a few seconds, and misses nothing of them.
//
// Kafka's names are made of Prefix, Group and the subscriber's Name, and have 249 bytes at most:
// Subscribe refuses longer ones. To Kafka a dot and an underscore in them are the same, as they are
// in its metrics: of two groups that differ by these alone, such as "a_b.c" and "a.b_c", the second
// gets no topics.
//
// # Connections
//
// They are made when they are needed, and a bus has its own: for what it stores and asks those of
// kafka-go, for what it reads one more or two for each broker. Nothing of kafka-go is in the API. All methods may be called concurrently. Names, headers and records, for programs in
// other languages, are in docs/wire-kafka.md; settings, rights and limits in docs/kafka.md.
package kafkabus
