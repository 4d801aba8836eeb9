package rabbitbus

import (
	"context"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// onward is how long a batch of retries that came too early may take to be sent on.
const onward = 5 * time.Second

// stalled is when to try again with what could not be sent on.
const stalled = time.Second

// sendOn sends what is not due yet to its next step, and acknowledges it. What cannot be sent
// is kept; the channel says when to try again.
func (s *source) sendOn(ctx context.Context) (again <-chan time.Time, stop func()) {
	if len(s.early) == 0 {
		return nil, func() {}
	}
	bounded, cancel := context.WithTimeout(ctx, onward)
	defer cancel()
	ms := make([]engine.Message, len(s.early))
	for i, in := range s.early {
		ms[i] = in.Message
		ms[i].To.Group, ms[i].NotBefore = s.member.group.Name, in.due
	}
	errs := s.member.transport.Send(bounded, ms)
	var tags []uint64
	left := s.early[:0]
	for i, in := range s.early {
		if len(errs) > 0 && errs[i] != nil {
			left = append(left, in)
			continue
		}
		tags = append(tags, in.Receipt.N)
	}
	clear(s.early[len(left):])
	s.early = left
	if len(tags) > 0 {
		_ = s.acknowledge(ctx, tags) // that the source is gone is found out next
	}
	if len(s.early) == 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(stalled)
	return timer.C, func() { timer.Stop() }
}
