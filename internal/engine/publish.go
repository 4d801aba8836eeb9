package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

const (
	maxBatch     = 100_000
	envelopeMost = 64 << 10 // no valid envelope is larger without its payload
	rarely       = 1024     // a call with more events is not kept to be used again
)

// Publish stores events; see [eventbus.EventBus].
func (b *Bus) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	if err := acceptable(ctx, len(events)); err != nil || len(events) == 0 {
		return err
	}
	within := b.attemptIn(ctx) != nil
	if !within && b.closing.Load() {
		return fmt.Errorf("eventbus: publish: %w", eventbus.ErrClosed)
	}
	c := b.newCall()
	defer b.release(c)
	if err := b.prepare(c, events, within); err != nil {
		return err
	}
	errs := b.sender.publish(ctx, c)
	if back := b.sender.outlet.take(); back != nil && b.options.Observer.Reconnected != nil {
		b.options.Observer.Reconnected(*back)
	}
	return b.outcome(c.events, errs)
}

// prepare copies the events, fills in what is missing, and checks them all.
func (b *Bus) prepare(c *call, events []eventbus.DomainEvent, within bool) error {
	c.events = append(c.events[:0], events...)
	if err := b.check(c.events, &c.payload); err != nil {
		return err
	}
	c.messages = slices.Grow(c.messages[:0], len(events))[:len(events)]
	c.fields = c.fields[:0]
	for i := range c.events {
		e, m := &c.events[i], &c.messages[i]
		*m = Message{To: Address{Topic: e.AggregateType}, Key: e.AggregateID, Type: e.Type, Beyond: within}
		if b.backend.Traits.Reference {
			m.Event = e
		} else {
			from := len(c.fields)
			c.fields = wire.AppendFields(c.fields, e) // where it moves, the others keep where they were
			m.Header, m.Body = slices.Clip(c.fields[from:]), e.Data()
		}
	}
	return nil
}

// acceptable refuses a call that nothing can be done with.
func acceptable(ctx context.Context, events int) error {
	switch {
	case ctx == nil:
		return fmt.Errorf("eventbus: publish: %w", errNilContext)
	case events > maxBatch:
		return fmt.Errorf("eventbus: publish: %w", &eventbus.ValidationError{
			Field: "events", Rule: "must be at most 100,000 in one call", Value: fmt.Sprint(events),
		})
	}
	if err := ctx.Err(); err != nil && events > 0 {
		return fmt.Errorf("eventbus: publish: %w", err)
	}
	return nil
}

// check completes the events of a call, and refuses all of them if one is not valid.
func (c *core) check(events []eventbus.DomainEvent, known *binding) error {
	var bad map[int]error
	for i := range events {
		if err := c.complete(&events[i], known); err != nil {
			if bad == nil {
				bad = map[int]error{}
			}
			bad[i] = err
		}
	}
	if bad == nil && len(events) > 1 {
		bad = twins(events)
	}
	if bad != nil {
		return c.refuseAll(events, bad)
	}
	return nil
}

// twins finds the events of one call that have the same ID and source.
func twins(events []eventbus.DomainEvent) (bad map[int]error) {
	type key struct{ source, id string }
	seen := make(map[key]int, len(events))
	for i := range events {
		k := key{events[i].Source, events[i].ID}
		first, twice := seen[k]
		if !twice {
			seen[k] = i
			continue
		}
		if bad == nil {
			bad = map[int]error{}
		}
		bad[i] = &eventbus.ValidationError{Field: "id", Rule: fmt.Sprintf("must differ from that of event %d of the call", first), Value: fmt.Sprintf("%q", k.id)}
	}
	return bad
}
