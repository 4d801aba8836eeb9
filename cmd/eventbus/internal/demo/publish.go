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

// parcel is events that are to be published, with their positions in the register.
type parcel struct {
	events    []eventbus.DomainEvent
	positions []int
	perhaps   []bool // it may be stored already
}

func (p *parcel) add(e eventbus.DomainEvent, position int, perhaps bool) {
	p.events = append(p.events, e)
	p.positions = append(p.positions, position)
	p.perhaps = append(p.perhaps, perhaps)
}

// send publishes a batch; the events come in the order of the register. What the server
// does not confirm is published again, before anything that comes after it, so that the
// order within an aggregate holds.
func (d *demo) send(ctx context.Context, batch []eventbus.DomainEvent) error {
	if len(batch) == 0 {
		return nil
	}
	var p parcel
	for _, e := range batch {
		p.add(e, d.offered, false)
		d.offered++
	}
	patience := newPatience(d.patience)
	for tries := 1; ; tries++ {
		left, err := d.try(ctx, p)
		if len(left.events) == 0 || lasting(err) || ctx.Err() != nil {
			return err
		}
		if tries == 1 {
			d.con.warn("the server did not confirm %s: publishing %s again", count(len(left.events), "event"), them(len(left.events)))
		}
		if len(left.events) < len(p.events) {
			patience.renew()
		}
		if !patience.rest(ctx) {
			return err
		}
		for i, position := range left.positions {
			d.ledger.trouble.publishAgain(position, left.perhaps[i])
		}
		p = left
	}
}

// try publishes the parcel once, and returns what was not stored, or may not have been.
func (d *demo) try(ctx context.Context, p parcel) (left parcel, err error) {
	err = d.bus.Publish(ctx, p.events...)
	failed := map[int]error{}
	if err != nil {
		var each *eventbus.PublishError
		if !errors.As(err, &each) {
			return parcel{}, err
		}
		for _, f := range each.Failed {
			failed[f.Index] = f.Err
		}
	}
	for i, position := range p.positions {
		if why, ok := failed[i]; ok {
			left.add(p.events[i], position, errors.Is(why, eventbus.ErrUnknown))
		} else {
			d.ledger.store(position)
		}
	}
	d.con.reach(d.ledger.published())
	return left, err
}

// them is the pronoun for n things.
func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
