package eventbus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

const (
	mostParcels  = 64    // that are handed over beside each other
	mostTogether = 1_000 // events that are handed over at once, unless one call has more
)

// parcel is one Publish of the bus beneath: calls with the same context.
type parcel struct {
	calls  []*call
	events []DomainEvent // of all of them
	errs   []error       // what became of each, once it has returned; nil: all stored
	back   bool          // it has returned
	ids    map[eventKey]bool
}

// aggregate is what has an order.
type aggregate struct{ kind, id string }

// pack takes from the front of the calls what may be handed over at once: parcels
// that share no aggregate, and so need no order among them.
func pack(calls []*call) (wave []*parcel, rest []*call) {
	if len(calls) == 1 {
		return []*parcel{{calls: []*call{calls[0]}, events: calls[0].events}}, nil
	}
	total, likes, owners := 0, map[any]*parcel{}, map[aggregate]*parcel{}
	for i, c := range calls {
		p, known := likes[c.like]
		if !known {
			p = &parcel{ids: map[eventKey]bool{}}
		}
		total += len(c.events)
		if i > 0 && (total > mostTogether || !known && len(wave) == mostParcels || !p.takes(c, owners)) {
			return wave, calls[i:]
		}
		if !known {
			likes[c.like] = p
			wave = append(wave, p)
		}
		p.add(c, owners)
	}
	return wave, nil
}

// takes reports whether the call may go with this parcel while the others go too: it
// must not overtake its aggregates, and an event may stand only once in a Publish.
func (p *parcel) takes(c *call, owners map[aggregate]*parcel) bool {
	for i := range c.events {
		e := &c.events[i]
		if p.ids[e.key()] {
			return false
		}
		if owner := owners[aggregate{e.AggregateType, e.AggregateID}]; owner != nil && owner != p {
			return false
		}
	}
	return true
}

func (p *parcel) add(c *call, owners map[aggregate]*parcel) {
	p.calls = append(p.calls, c)
	p.events = append(p.events, c.events...)
	for i := range c.events {
		e := &c.events[i]
		p.ids[e.key()] = true
		if e.AggregateID != "" {
			owners[aggregate{e.AggregateType, e.AggregateID}] = p
		}
	}
}

// fail gives all events of the parcel the same outcome.
func (p *parcel) fail(err error) { p.errs, p.back = repeat(err, len(p.events)), true }

// publish hands the parcel over and returns an error by index, or nil. It returns
// also when the bus beneath panics.
func (p *parcel) publish(ctx context.Context, bus EventBus) (errs []error) {
	defer func() {
		if r := recover(); r != nil {
			err := &PanicError{Value: r, Stack: string(debug.Stack())}
			errs = repeat(fmt.Errorf("%w: the bus beneath panicked: %w", ErrUnknown, err), len(p.events))
		}
	}()
	err := bus.Publish(ctx, p.events...)
	if len(p.calls) == 1 || !refusedTogether(err, len(p.events)) {
		return outcomes(err, len(p.events))
	}
	errs = make([]error, 0, len(p.events))
	for _, c := range p.calls { // one of them is invalid to this bus: the others are not to suffer
		if one := outcomes(bus.Publish(ctx, c.events...), len(c.events)); one != nil {
			errs = append(errs, one...)
		} else {
			errs = append(errs, make([]error, len(c.events))...)
		}
	}
	return errs
}

// refusedTogether reports whether none of n events was sent as some are invalid.
func refusedTogether(err error, n int) bool {
	var each *PublishError
	if !errors.As(err, &each) {
		return errors.Is(err, ErrInvalid)
	}
	if each.Total != n || len(each.Failed) != n {
		return false
	}
	held := false
	for _, f := range each.Failed {
		if !errors.Is(f.Err, ErrRefused) {
			return false
		}
		held = held || errors.Is(f.Err, ErrHeldBack)
	}
	return held
}

// outcomes returns what became of each of n events, by the error of their Publish.
// What the error does not say counts as unknown.
func outcomes(err error, n int) []error {
	if err == nil {
		return nil
	}
	var each *PublishError
	if !errors.As(err, &each) {
		return repeat(judged(err), n)
	}
	errs, right := make([]error, n), each.Total == n && len(each.Failed) > 0
	for _, f := range each.Failed {
		if right = right && f.Index >= 0 && f.Index < n; right {
			errs[f.Index] = judged(f.Err)
		}
	}
	if !right { // nor does it match what it says of other events
		return repeat(fmt.Errorf("%w: the bus beneath tells of other events: %v", ErrUnknown, err), n) //nolint:errorlint // on purpose
	}
	return errs
}

// judged says whether the event was refused, where the error does not.
func judged(err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("%w: the bus beneath gives no reason", ErrUnknown)
	case errors.Is(err, ErrRefused), errors.Is(err, ErrUnknown):
		return err
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrClosed), errors.Is(err, ErrFull):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
