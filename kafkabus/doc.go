// Package kafkabus is the event bus on Apache Kafka 4. It is being built, and not usable yet: see
// docs/adr/016-kafka-before-the-code.md.
package kafkabus
