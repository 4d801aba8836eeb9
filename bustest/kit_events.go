package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

// What the cases publish: two event types of one aggregate type, one of another.
type (
	orderCreated   struct{ Number int }
	orderShipped   struct{ Number int }
	invoiceCreated struct{ Number int }
)

func (orderCreated) EventType() string   { return "order.created" }
func (orderShipped) EventType() string   { return "order.shipped" }
func (invoiceCreated) EventType() string { return "invoice.created" }

// order is the nth event of an order, with the ID "<aggregate>-<n>".
func order(aggregate string, n int) eventbus.DomainEvent {
	return eventbus.New(aggregate, orderCreated{n}).WithID(fmt.Sprintf("%s-%d", aggregate, n))
}

// shipped is another event of an order, with an ID like order's.
func shipped(aggregate string, n int) eventbus.DomainEvent {
	return eventbus.New(aggregate, orderShipped{n}).WithID(fmt.Sprintf("%s-%d", aggregate, n))
}

// invoice is the nth event of an invoice, with the ID "invoice-<aggregate>-<n>".
func invoice(aggregate string, n int) eventbus.DomainEvent {
	return eventbus.New(aggregate, invoiceCreated{n}).WithID(fmt.Sprintf("invoice-%s-%d", aggregate, n))
}

// orders are the events 1 to each of so many orders, taken in turn: a0-1, a1-1, …,
// a0-2, ….
func orders(aggregates, each int) []eventbus.DomainEvent {
	var all []eventbus.DomainEvent
	for n := range each {
		for a := range aggregates {
			all = append(all, order(fmt.Sprintf("a%d", a), n+1))
		}
	}
	return all
}

// story are the events 1 to n of one order.
func story(aggregate string, n int) []eventbus.DomainEvent {
	var all []eventbus.DomainEvent
	for i := range n {
		all = append(all, order(aggregate, i+1))
	}
	return all
}

func ids(events []eventbus.DomainEvent) []string {
	out := make([]string, len(events))
	for i := range events {
		out[i] = events[i].ID
	}
	return out
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// of returns the IDs of one aggregate.
func of(aggregate string, ids []string) []string {
	var out []string
	for _, id := range ids {
		if strings.HasPrefix(id, aggregate+"-") {
			out = append(out, id)
		}
	}
	return out
}

var errTest = errors.New("the handler's own error")

// failing fails every attempt at the events with the IDs, and handles the others.
func failing(ids ...string) script {
	return func(_ context.Context, e eventbus.DomainEvent) error {
		if slices.Contains(ids, e.ID) {
			return errTest
		}
		return nil
	}
}

// failingFirst fails the first n attempts at the events with the IDs.
func failingFirst(n int, ids ...string) script {
	return func(ctx context.Context, e eventbus.DomainEvent) error {
		if slices.Contains(ids, e.ID) && attemptOf(ctx) <= n {
			return errTest
		}
		return nil
	}
}

// always fails every attempt with the error.
func always(err error) script {
	return func(context.Context, eventbus.DomainEvent) error { return err }
}
