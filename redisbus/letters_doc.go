// Package redisbus is the backend on Redis; docs/wire-redis.md is what stands there.
package redisbus
