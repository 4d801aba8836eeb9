package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/ident"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// core is what every bus has: options, the check of what is published, counters, dead
// letters.
type core struct {
	options eventbus.Options
	clock   eventbus.Clock
	notices *notices
	letters *dlq.Queue
	types   types
	counts  struct{ published, refused, unknown, beyond atomic.Uint64 }
	closing atomic.Bool // Shutdown has begun

	mu     sync.Mutex
	groups map[string]bool // service groups that the dead letters are bound to
}

// init makes it ready, or says everything that is wrong with the options.
func (c *core) init(store dlq.Store, o eventbus.Options, replay func(context.Context, dlq.Letter) error) error {
	o = o.WithDefaults()
	if err := o.Validate(); err != nil {
		return fmt.Errorf("eventbus: options: %w", err)
	}
	c.options, c.clock, c.notices = o, o.Clock, newNotices(o.Logger, o.Clock)
	c.groups = map[string]bool{o.Group: true}
	var err error
	c.letters, err = dlq.NewQueue(dlq.Config{Store: store, Groups: c.serviceGroups, Send: replay, Now: o.Clock.Now})
	return err
}

// DeadLetters returns the dead letters of the bus's groups.
func (c *core) DeadLetters() *dlq.Queue { return c.letters }

func (c *core) serviceGroups() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.groups))
}

// complete fills in what is missing and checks the event. known is the last binding that
// its caller has seen.
func (c *core) complete(e *eventbus.DomainEvent, known *binding) error {
	if e.ID == "" {
		e.ID = ident.New()
	}
	if e.Source == "" {
		e.Source = c.options.Source
	}
	if e.Time.IsZero() {
		e.Time = c.clock.Now().UTC()
	}
	if e.AggregateType == "" {
		e.AggregateType, _, _ = strings.Cut(e.Type, ".")
	}
	if err := e.Validate(); err != nil {
		return err
	}
	if c.options.StrictNames && !strict(e) {
		return &eventbus.ValidationError{Field: "type", Rule: "must be <aggregate>.<happened> in lower case (Options.StrictNames)", Value: fmt.Sprintf("%q", e.Type)}
	}
	if len(e.Data()) > c.options.MaxBytes-envelopeMost {
		if size := wire.Size(e); size > c.options.MaxBytes {
			return &eventbus.TooLargeError{Size: size, Limit: c.options.MaxBytes}
		}
	}
	return known.bind(&c.types, e)
}

func strict(e *eventbus.DomainEvent) bool {
	aggregate, happened, ok := strings.Cut(e.Type, ".")
	return ok && aggregate == e.AggregateType && !strings.Contains(happened, ".") && strings.ToLower(e.Type) == e.Type
}

// refuseAll tells of a call of which nothing was sent.
func (c *core) refuseAll(events []eventbus.DomainEvent, bad map[int]error) error {
	out := &eventbus.PublishError{Total: len(events), Failed: make([]eventbus.EventError, len(events))}
	for i := range events {
		err, ok := bad[i]
		if !ok {
			err = eventbus.ErrHeldBack
		}
		out.Failed[i] = c.refused(i, &events[i], fmt.Errorf("%w: %w", eventbus.ErrRefused, err))
	}
	return out
}

func (c *core) refused(i int, e *eventbus.DomainEvent, err error) eventbus.EventError {
	c.counts.refused.Add(1)
	if tell := c.options.Observer.Published; tell != nil {
		tell(eventbus.Published{Event: *e, Err: err})
	}
	return eventbus.EventError{Index: i, ID: e.ID, Type: e.Type, Err: err}
}

// outcome counts and tells what became of the events.
func (c *core) outcome(events []eventbus.DomainEvent, errs []error) error {
	var failed []eventbus.EventError
	tell := c.options.Observer.Published
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
			c.counts.unknown.Add(1)
			if tell != nil {
				tell(eventbus.Published{Event: *e, Err: err})
			}
			failed = append(failed, eventbus.EventError{Index: i, ID: e.ID, Type: e.Type, Err: err})
		default:
			if !errors.Is(err, eventbus.ErrRefused) {
				err = fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
			}
			failed = append(failed, c.refused(i, e, err))
		}
	}
	if stored := len(events) - len(failed); stored > 0 {
		c.counts.published.Add(uint64(stored))
	}
	if failed != nil {
		return &eventbus.PublishError{Total: len(events), Failed: failed}
	}
	return nil
}
