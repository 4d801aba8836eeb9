package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/ident"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

const (
	maxBatch     = 100_000
	envelopeMost = 64 << 10 // no valid envelope is larger without its payload
	rarely       = 1024     // a call with more events is not kept to be used again
)

// call is one Publish on its way. It is used again once nobody refers to it.
type call struct {
	events   []eventbus.DomainEvent // copies, complete
	messages []Message              // one for each
	bound    boundedContext
	spent    bool    // bound may be known to others
	payload  binding // that was looked up last
}

var calls = sync.Pool{New: func() any { return new(call) }}

// Publish stores events; see [eventbus.EventBus].
func (b *Bus) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	switch {
	case ctx == nil:
		return fmt.Errorf("eventbus: publish: %w", errNilContext)
	case len(events) == 0:
		return nil
	case len(events) > maxBatch:
		return fmt.Errorf("eventbus: publish: %w", &eventbus.ValidationError{
			Field: "events", Rule: "must be at most 100,000 in one call", Value: fmt.Sprint(len(events)),
		})
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("eventbus: publish: %w", err)
	}
	within := b.attemptIn(ctx) != nil
	if !within && b.closing.Load() {
		return fmt.Errorf("eventbus: publish: %w", eventbus.ErrClosed)
	}
	c, _ := calls.Get().(*call)
	if err := b.prepare(c, events, within); err != nil {
		c.release()
		return err
	}
	errs := b.sender.publish(ctx, c)
	err := b.outcome(c.events, errs)
	c.release()
	return err
}

// release makes the call ready for the next Publish.
func (c *call) release() {
	if c.spent || len(c.events) > rarely {
		return
	}
	if len(c.events) > 1 { // a single one is overwritten soon
		clear(c.messages)
		clear(c.events)
	}
	calls.Put(c)
}

// prepare copies the events, fills in what is missing, and checks them all.
func (b *Bus) prepare(c *call, events []eventbus.DomainEvent, within bool) error {
	c.events = append(c.events[:0], events...)
	c.messages = slices.Grow(c.messages[:0], len(events))[:len(events)]
	var bad map[int]error
	for i := range c.events {
		e := &c.events[i]
		if err := b.complete(c, e); err != nil {
			if bad == nil {
				bad = map[int]error{}
			}
			bad[i] = err
			continue
		}
		m := &c.messages[i]
		*m = Message{To: Address{Topic: e.AggregateType}, Key: e.AggregateID, Type: e.Type, Beyond: within}
		if b.backend.Traits.Reference {
			m.Event = e
		} else {
			m.Header, m.Body = wire.Encode(e)
		}
	}
	if bad == nil && len(events) > 1 {
		bad = twins(c.events)
	}
	if bad != nil {
		return b.refuseAll(c.events, bad)
	}
	return nil
}

// complete fills in what is missing and checks the event.
func (b *Bus) complete(c *call, e *eventbus.DomainEvent) error {
	if e.ID == "" {
		e.ID = ident.New()
	}
	if e.Source == "" {
		e.Source = b.options.Source
	}
	if e.Time.IsZero() {
		e.Time = b.clock.Now().UTC()
	}
	if e.AggregateType == "" {
		e.AggregateType, _, _ = strings.Cut(e.Type, ".")
	}
	if err := e.Validate(); err != nil {
		return err
	}
	if b.options.StrictNames && !strict(e) {
		return &eventbus.ValidationError{Field: "type", Rule: "must be <aggregate>.<happened> in lower case (Options.StrictNames)", Value: fmt.Sprintf("%q", e.Type)}
	}
	if len(e.Data()) > b.options.MaxBytes-envelopeMost {
		if size := wire.Size(e); size > b.options.MaxBytes {
			return &eventbus.TooLargeError{Size: size, Limit: b.options.MaxBytes}
		}
	}
	return c.payload.bind(&b.types, e)
}

func strict(e *eventbus.DomainEvent) bool {
	aggregate, happened, ok := strings.Cut(e.Type, ".")
	return ok && aggregate == e.AggregateType && !strings.Contains(happened, ".") && strings.ToLower(e.Type) == e.Type
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

// refuseAll tells of a call of which nothing was sent.
func (b *Bus) refuseAll(events []eventbus.DomainEvent, bad map[int]error) error {
	out := &eventbus.PublishError{Total: len(events), Failed: make([]eventbus.EventError, len(events))}
	for i := range events {
		err, ok := bad[i]
		if !ok {
			err = eventbus.ErrHeldBack
		}
		out.Failed[i] = b.refused(i, &events[i], fmt.Errorf("%w: %w", eventbus.ErrRefused, err))
	}
	return out
}

func (b *Bus) refused(i int, e *eventbus.DomainEvent, err error) eventbus.EventError {
	b.counts.refused.Add(1)
	if tell := b.options.Observer.Published; tell != nil {
		tell(eventbus.Published{Event: *e, Err: err})
	}
	return eventbus.EventError{Index: i, ID: e.ID, Type: e.Type, Err: err}
}

// outcome counts and tells what became of the events.
func (b *Bus) outcome(events []eventbus.DomainEvent, errs []error) error {
	var failed []eventbus.EventError
	tell := b.options.Observer.Published
	for i := range events {
		var err error
		if errs != nil {
			err = errs[i]
		}
		switch e := &events[i]; {
		case err == nil:
			if tell != nil {
				tell(eventbus.Published{Event: *e})
			}
		case errors.Is(err, eventbus.ErrUnknown):
			b.counts.unknown.Add(1)
			if tell != nil {
				tell(eventbus.Published{Event: *e, Err: err})
			}
			failed = append(failed, eventbus.EventError{Index: i, ID: e.ID, Type: e.Type, Err: err})
		default:
			if !errors.Is(err, eventbus.ErrRefused) {
				err = fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
			}
			failed = append(failed, b.refused(i, e, err))
		}
	}
	if stored := len(events) - len(failed); stored > 0 {
		b.counts.published.Add(uint64(stored))
	}
	if failed != nil {
		return &eventbus.PublishError{Total: len(events), Failed: failed}
	}
	return nil
}
