package oracle

import (
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

// Evidence is what a run has left. It is only read.
type Evidence struct {
	// Log are the records of all publishers and handlers, in any order.
	Log journal.Log
	// Letters are those of all subscribers, listed once nothing was under way any more.
	// One that was discarded on purpose belongs here too, one that was replayed does not.
	Letters []dlq.Letter
	// Subscribers are all that there were.
	Subscribers []Subscriber
	// Cuts are the times at which a process or a connection of a subscriber was killed,
	// stopped or cut, just before it happened. They matter to the scope EachProcess: what a
	// process had received and not handled comes to another one then, behind later events.
	Cuts []time.Time
	// Left is what was left over at the end. Nil means that nobody looked.
	Left *Leftovers
}

// Subscriber says what one subscriber should get.
type Subscriber struct {
	// Name is "<group>.<name>", as in the journal.
	Name string
	// Events are the patterns that it asks for and has a case for, as in
	// eventbus.Subscriber. An event that is handled without being asked for is invented.
	Events []string
	// Needs says of an event that a pattern selects, by its attempted record, whether it must
	// be handled or buried: not so what was published before a group began. Zero means each.
	Needs func(published journal.Record) bool
	// Order is the scope in which order is promised. Zero means Everywhere.
	Order Order
	// Repeats is how often in all an event may be handled again, or buried after it was
	// handled: what was in flight, times the faults. Zero means never.
	Repeats int
	// Foreign is how many letters without an event ID there must be: of messages that
	// cannot be read. Zero means none.
	Foreign int
}

// Order is a scope of order.
type Order int

const (
	// Everywhere is order across all processes.
	Everywhere Order = iota
	// EachProcess is order among the events that one process handled. A process is a worker
	// name and a process ID.
	EachProcess
	// None is no order, as of unordered subscribers.
	None
)

func (s *Subscriber) asksFor(eventType string) bool {
	return slices.ContainsFunc(s.Events, func(p string) bool { return eventbus.Pattern(p).Match(eventType) })
}

func (s *Subscriber) needs(e *event) bool {
	return e.outcome == journal.Published && s.asksFor(e.EventType) && (s.Needs == nil || s.Needs(e.Record))
}
