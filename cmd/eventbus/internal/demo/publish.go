package demo

import (
	"context"
	"errors"

	"github.com/seed-28af575d/eventbus"
)

// batchSize is how many events one Publish takes. While the bus is full it waits,
// and nothing more is read: the demo never holds more than a batch.
const batchSize = 256

// publish gives every event to the bus.
func (d *demo) publish(ctx context.Context) error {
	events, err := d.source.events(ctx, d.ledger.register)
	if err != nil {
		return err
	}
	d.con.begin("publishing", d.survey.events)
	defer d.con.end()
	batch := make([]eventbus.DomainEvent, 0, batchSize)
	for e := range events {
		if batch = append(batch, e); len(batch) < batchSize {
			continue
		}
		if err := d.send(ctx, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return d.send(ctx, batch)
}

// send publishes a batch; the events come in the order of the register.
func (d *demo) send(ctx context.Context, batch []eventbus.DomainEvent) error {
	if len(batch) == 0 {
		return nil
	}
	first := d.offered
	d.offered += len(batch)
	err := d.bus.Publish(ctx, batch...)
	failed := map[int]bool{}
	if err != nil {
		var each *eventbus.PublishError
		if !errors.As(err, &each) {
			return err
		}
		for _, f := range each.Failed {
			failed[f.Index] = true
		}
	}
	for i := range batch {
		if !failed[i] {
			d.ledger.store(first + i)
		}
	}
	d.con.reach(d.ledger.published())
	return err
}
