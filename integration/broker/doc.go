// Package broker gives tests real brokers: Redis, RabbitMQ and Apache Kafka in
// containers.
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(broker.Main(m)) }
//
//	func TestPublish(t *testing.T) {
//		s := broker.Use(t, broker.Redis) // shared by the test binary; s.URL, and s.Prefix for names of this test's own
//	}
//
//	func TestKilled(t *testing.T) {
//		b := broker.Start(t, broker.Kafka, broker.Options{}) // this test's own
//		b.Kill()
//		b.Start() // on the same port, with what it had stored
//		b.Proxy().Cut()
//	}
//
// # Promises
//
//   - A shared broker is started when the first test asks for it, and once. Main removes it;
//     where the test binary is killed, the reaper of testcontainers-go does, some ten seconds
//     later. A broker of a test's own goes with the test.
//   - A broker keeps its ports over stop, kill and start. They are on 127.0.0.1 alone and below
//     32768, where the system takes none for outgoing connections.
//   - What a test leaves on a shared broker under its prefix is removed when it ends, and a
//     test that leaves what cannot be removed fails.
//   - EVENTBUS_TEST_REDIS, EVENTBUS_TEST_RABBITMQ and EVENTBUS_TEST_KAFKA name servers that
//     run already and replace the shared containers. Each is host:port or a URL, for Kafka a
//     list with commas. RabbitMQ's management interface is found at port 15672 of that host,
//     or at EVENTBUS_TEST_RABBITMQ_API. A test that harms its broker has a container all the same.
//
// The images are those of integration/images: official ones, or equivalent ones of
// make brokers.
package broker
