package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-28af575d/eventbus"
)

// Publisher is a bus that writes down what is published through it. It may be used
// concurrently; optional interfaces of the bus are found through it.
//
// Order of an aggregate: an event whose AggregateVersion is set has that as its place,
// whoever publishes it. Others are counted by this publisher, in the order of the calls
// of Publish: the events of such an aggregate are then ordered among those of this
// publisher, and two calls at the same time have no order but that of the count, so one
// goroutine at a time publishes for an aggregate.
type Publisher struct {
	eventbus.EventBus

	journal *Journal
	name    string

	mu   sync.Mutex
	last map[aggregate]int64
}

type aggregate struct{ kind, id string }

var _ eventbus.Unwrapper = (*Publisher)(nil)

// Publisher returns a bus that writes down what is published through it. What is
// published to the bus beneath in another way is not known to the journal.
func (j *Journal) Publisher(bus eventbus.EventBus) *Publisher {
	return &Publisher{
		EventBus: bus, journal: j,
		name: fmt.Sprintf("%s/%d/%d", j.worker, j.pid, j.publishers.Add(1)),
		last: map[aggregate]int64{},
	}
}

// Unwrap returns the bus beneath.
func (p *Publisher) Unwrap() eventbus.EventBus { return p.EventBus }

// Publish writes down that each event is attempted, publishes them in one call, and
// writes down what became of each. It returns the error of the bus, joined with that of
// the journal. When the attempt cannot be written, nothing is published.
func (p *Publisher) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	records, err := p.attempt(events)
	if err != nil {
		return err
	}
	for i := range records {
		if err := p.journal.Write(records[i]); err != nil {
			return err
		}
	}
	err = p.EventBus.Publish(ctx, events...)
	var lost error
	for i, why := range outcomes(err, len(events)) {
		r := records[i].because(why)
		r.What = verdict(why)
		if lost = p.journal.Write(r); lost != nil {
			break
		}
	}
	if lost == nil {
		return err
	}
	return errors.Join(err, lost)
}

// attempt returns the records that are to be written before.
func (p *Publisher) attempt(events []eventbus.DomainEvent) ([]Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	records := make([]Record, len(events))
	for i := range events {
		if events[i].ID == "" {
			return nil, fmt.Errorf("journal: publish: event %d, %s, has no ID, and what is handled could not be told to be it; make it with New, Named or NewRaw", i, events[i].Type)
		}
		r := about(Attempted, &events[i])
		if r.Seq == 0 && r.AggregateID != "" {
			key := aggregate{r.AggregateType, r.AggregateID}
			p.last[key]++
			r.Seq, r.Counter = p.last[key], p.name
		}
		records[i] = r
	}
	return records, nil
}

// outcomes returns what became of each of n events, by the error of their Publish.
func outcomes(err error, n int) []error {
	out := make([]error, n)
	if err == nil {
		return out
	}
	var each *eventbus.PublishError
	if !errors.As(err, &each) || len(each.Failed) == 0 { // it is about all of them
		for i := range out {
			out[i] = err
		}
		return out
	}
	for _, f := range each.Failed {
		if each.Total != n || f.Index < 0 || f.Index >= n { // it tells of other events, and nothing of these
			return outcomes(errors.New("a PublishError of another call: "+err.Error()), n)
		}
		out[f.Index] = f
	}
	return out
}

// verdict says what the error makes of an event. What does not say that nothing was
// stored leaves it open.
func verdict(err error) What {
	switch {
	case err == nil:
		return Published
	case errors.Is(err, eventbus.ErrUnknown):
		return Unknown
	case errors.Is(err, eventbus.ErrRefused), errors.Is(err, eventbus.ErrInvalid),
		errors.Is(err, eventbus.ErrClosed), errors.Is(err, eventbus.ErrFull):
		return Refused
	}
	return Unknown
}
