// Package dlq holds the dead letters of subscribers: what was given up, why, and
// what is needed to hand it over again.
package dlq
