package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-28af575d/eventbus"
)

// remainder is what a Send of one shard has left to do when not all was stored.
type remainder struct {
	sent  []Message
	owner []*parcel // of each
	errs  []error   // of each, so far
	left  []int     // indexes of what is to be sent again, in order
}

// deliver sends messages of one shard, at most a batch, and returns an error by index,
// or nil. They are those of the parcels, or some of the only one. What was not stored
// is sent again, in order, until ctx ends.
//
// Behind an unknown outcome that goes for other calls alone: what is unknown may be
// stored yet, and what the same call has given after it would stand before it. Calls
// that share a batch were under way at once, so that neither is to come first. What is
// refused stops nothing: it never comes, and is named for the caller to see to.
func (s *sender) deliver(ctx context.Context, ms []Message, of []*parcel) []error {
	errs := s.attempt(ctx, ms)
	if len(errs) == 0 {
		return nil
	}
	r := newRemainder(ms, of)
	for failures := 1; ; failures++ {
		if r.note(errs); len(r.left) == 0 || ctx.Err() != nil {
			break
		}
		if s.bus.sleep(ctx, s.bus.pauseAfter(failures)); ctx.Err() != nil {
			break
		}
		errs = s.attempt(ctx, r.again())
	}
	r.giveUp()
	return r.errs
}

func (s *sender) attempt(ctx context.Context, ms []Message) []error {
	errs := s.transport.Send(ctx, ms)
	s.outlet.heard(ctx, s.bus.clock, errs)
	return errs
}

func newRemainder(ms []Message, of []*parcel) *remainder {
	r := &remainder{sent: ms, errs: make([]error, len(ms)), owner: make([]*parcel, 0, len(ms)), left: make([]int, len(ms))}
	for i := range r.left {
		r.left[i] = i
	}
	for _, p := range of {
		for range min(len(p.messages), len(ms)-len(r.owner)) {
			r.owner = append(r.owner, p)
		}
	}
	return r
}

// note takes the outcome of what was left, and keeps what is to be sent again.
func (r *remainder) note(errs []error) {
	tried := r.left
	r.left = r.left[:0]
	for i, at := range tried {
		var err error
		if len(errs) > 0 {
			err = errs[i]
		}
		p := r.owner[at]
		switch {
		case errors.Is(err, ErrNotStored) && p.doubtful:
			err = fmt.Errorf("%w: %w", errOvertaking, err)
		case errors.Is(err, ErrNotStored), r.sent[at].IsMove() && errors.Is(err, eventbus.ErrUnknown):
			r.left = append(r.left, at)
		case errors.Is(err, eventbus.ErrUnknown):
			p.doubtful = true
		}
		r.errs[at] = err
	}
}

func (r *remainder) again() []Message {
	ms := make([]Message, len(r.left))
	for i, at := range r.left {
		ms[i] = r.sent[at]
	}
	return ms
}

// giveUp refuses what could not be stored in time.
func (r *remainder) giveUp() {
	for _, at := range r.left {
		if err := r.errs[at]; errors.Is(err, ErrNotStored) {
			r.errs[at] = fmt.Errorf("%w, though tried again until its time was up: %w", eventbus.ErrRefused, err)
			r.owner[at].doubtful = true
		}
	}
}

// errOvertaking refuses what stands in a call behind something that is not stored, or
// not for certain.
var errOvertaking = fmt.Errorf("%w: not sent, as an earlier event of the call was not stored for certain", eventbus.ErrRefused)
