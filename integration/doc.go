// Package integration is where the event bus meets real brokers: its tests start
// Redis, RabbitMQ and Apache Kafka in containers, harm them, and check what came
// through. The packages beneath it are its tools. Nobody imports this module.
package integration
