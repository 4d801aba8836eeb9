package eventbus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
	"github.com/seed-28af575d/eventbus/internal/ident"
)

// mostEvents is how many events one Publish takes.
const mostEvents = 100_000

// admit refuses a Publish for what can be told without looking at its events.
func admit(ctx context.Context, events int) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: publish: %w", errNoContext)
	}
	if events > mostEvents {
		return fmt.Errorf("eventbus: publish: %w", invalid("events", "must be at most 100,000 in one call", fmt.Sprint(events)))
	}
	if err := ctx.Err(); err != nil && events > 0 {
		return fmt.Errorf("eventbus: publish: %w", err)
	}
	return nil
}

var errNoContext = invalid("ctx", "must not be nil", "")

// prepare copies the events of a call, fills in what is missing except the source,
// which is the backend's to know, and checks them all. One that is invalid refuses
// the others too.
func prepare(events []DomainEvent, now func() time.Time) ([]DomainEvent, error) {
	events = slices.Clone(events)
	bad := map[int]error{}
	first := make(map[eventKey]int, len(events))
	for i := range events {
		e := &events[i]
		e.complete(now)
		if err := e.Validate(); err != nil {
			bad[i] = err
			continue
		}
		if twin, ok := first[e.key()]; ok {
			bad[i] = invalid("id", fmt.Sprintf("must differ from that of event %d of the call", twin), excerpt.Of(e.ID))
			continue
		}
		first[e.key()] = i
	}
	if len(bad) == 0 {
		return events, nil
	}
	return nil, refusal(events, func(i int) error {
		if err := bad[i]; err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return fmt.Errorf("%w: %w", ErrRefused, ErrHeldBack)
	})
}

// eventKey is what no two events of one call may share.
type eventKey struct{ source, id string }

func (e *DomainEvent) key() eventKey { return eventKey{e.Source, e.ID} }

func (e *DomainEvent) complete(now func() time.Time) {
	if e.ID == "" {
		e.ID = ident.New()
	}
	if e.Time.IsZero() {
		e.Time = now().UTC()
	}
	if e.AggregateType == "" {
		e.AggregateType = firstWord(e.Type)
	}
}

// refusal is the error of a call of which no event was taken.
func refusal(events []DomainEvent, why func(i int) error) error {
	out := &PublishError{Total: len(events), Failed: make([]EventError, len(events))}
	for i := range events {
		out.Failed[i] = EventError{Index: i, ID: events[i].ID, Type: events[i].Type, Err: why(i)}
	}
	return out
}
