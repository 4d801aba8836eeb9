// Package redisbus is the event bus on Redis Streams.
package redisbus
