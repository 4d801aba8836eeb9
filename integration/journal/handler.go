package journal

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Middleware writes down the attempts of the handlers that it wraps: give it to
// Options.Middleware, as the first, or wrap one handler. An attempt whose beginning
// cannot be written fails before the handler runs, one whose end cannot be written fails
// in place of what the handler returned. It needs [eventbus.DeliveryOf], and so no bus
// whose handlers run in the goroutine of the publisher.
func (j *Journal) Middleware(next eventbus.Handler) eventbus.Handler {
	h := &handler{journal: j, next: next}
	if t, ok := next.(eventbus.Typed); ok {
		return &typed{handler: h, types: t.PayloadTypes()}
	}
	return h
}

type handler struct {
	journal *Journal
	next    eventbus.Handler
}

// typed declares the event types of the handler beneath.
type typed struct {
	*handler
	types map[string]reflect.Type
}

func (t *typed) PayloadTypes() map[string]reflect.Type { return t.types }

// errNotReturned is what a panic looks like from inside: it is not recovered here, as
// the bus is to see it with its stack.
var errNotReturned = errors.New("it did not return: it panicked or ended its goroutine")

func (h *handler) Handle(ctx context.Context, e eventbus.DomainEvent) (err error) {
	d, ok := eventbus.DeliveryOf(ctx)
	if !ok {
		return fmt.Errorf("journal: handle %s %s: the context tells of no delivery; use a bus that runs handlers in goroutines of its own", e.Type, e.ID)
	}
	began := time.Now().UnixNano()
	r := about(Begun, &e)
	r.Seq = 0 // the publisher's to tell
	r.Subscriber, r.Attempt, r.Replays, r.Time = d.Group+"."+d.Subscriber, d.Attempt, d.Replays, began
	if err := h.journal.Write(r); err != nil {
		return err
	}
	r.Began = began
	err = errNotReturned
	defer func() {
		if lost := h.journal.Write(r.ended(err)); lost != nil {
			err = errors.Join(lost, err)
		}
	}()
	err = h.next.Handle(ctx, e)
	return err
}

// ended returns the record of the attempt's end.
func (r Record) ended(err error) Record {
	r.What, r.Time = Handled, time.Now().UnixNano()
	if err != nil {
		r.What = Failed
	}
	return r.because(err)
}
