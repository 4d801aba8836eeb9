package bench

import (
	"context"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/bench/internal/keyed"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// carrier is little more than what carries an event through the bare structure:
// check the envelope, copy it once, and call the handler with it. It has no
// deadline, no recovery, no retry, no error. What it takes beyond the bare structure is
// the price of carrying a DomainEvent by value, which every bus with it pays.
type carrier struct {
	load    load.Load
	handler eventbus.Handler
	exec    *keyed.Executor[*eventbus.DomainEvent]
}

// startCarrier is a load.Maker.
func startCarrier(ctx context.Context, l load.Load, handle func(int)) (load.Side, error) {
	return startBus(ctx, &carrier{load: l}, l, handle)
}

func (c *carrier) Subscribe(_ context.Context, s eventbus.Subscriber) (eventbus.Subscription, error) {
	c.handler = s.Handler
	return nil, nil //nolint:nilnil // nobody asks for it
}

func (c *carrier) Start(ctx context.Context) error {
	c.exec = keyed.New(c.load.Running, c.load.Bound, func(t keyed.Task[*eventbus.DomainEvent]) {
		_ = c.handler.Handle(ctx, *t.Value) // the tally notices what is lost
	})
	return nil
}

func (c *carrier) Publish(_ context.Context, events ...eventbus.DomainEvent) error {
	for i := range events {
		e := new(eventbus.DomainEvent)
		*e = events[i]
		e.Source = "/bench"
		if err := e.Validate(); err != nil {
			return err
		}
		c.exec.Submit(keyed.Task[*eventbus.DomainEvent]{Key: e.AggregateID, Value: e})
	}
	return nil
}

func (c *carrier) Shutdown(context.Context) error {
	c.exec.Close()
	return nil
}
