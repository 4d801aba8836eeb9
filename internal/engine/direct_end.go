package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Clear ends all subscriptions and forgets what waits and the letters, so that a test
// can begin anew. The counters of the bus stay.
func (d *Direct) Clear(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: clear: %w", errNilContext)
	}
	if d.handlingIn(ctx) != nil {
		return fmt.Errorf("eventbus: clear: %w", errWaitsForItself)
	}
	d.mu.Lock()
	all := d.directory.Load().all
	d.directory.Store(&directory{})
	d.mu.Unlock()
	for _, r := range all {
		r.halt()
	}
	if d.backlog != nil {
		d.backlog.clear()
	}
	d.types.forget()
	for _, r := range all {
		select {
		case <-r.done:
		case <-ctx.Done():
			return fmt.Errorf("eventbus: clear: a handler of %s still runs: %w", r.group, ctx.Err())
		}
	}
	if _, err := d.letters.Purge(ctx, dlq.All); err != nil {
		return fmt.Errorf("eventbus: clear: %w", err)
	}
	return nil
}

// Stats returns the counters; see [eventbus.Inspector].
func (d *Direct) Stats(ctx context.Context) (eventbus.Stats, error) {
	st := eventbus.Stats{
		Published: d.counts.published.Load(), Refused: d.counts.refused.Load(), BeyondBound: d.counts.beyond.Load(),
	}
	if err := ctx.Err(); err != nil {
		return st, fmt.Errorf("eventbus: stats: %w", err)
	}
	for _, r := range d.directory.Load().all {
		st.Subscribers = append(st.Subscribers, r.snapshot())
	}
	slices.SortFunc(st.Subscribers, func(a, b eventbus.SubscriberStats) int {
		return slices.Compare([]string{a.Group, a.Subscriber}, []string{b.Group, b.Subscriber})
	})
	return st, nil
}

func (r *recipient) snapshot() eventbus.SubscriberStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	tally := r.tally.Load()
	st := eventbus.SubscriberStats{
		Group: r.sub.Group, Subscriber: r.sub.Name,
		Handled: tally >> runningBits, Failed: r.failed.Load(), Skipped: r.skipped, Buried: r.buried,
		Running: int(tally & runningMask),
	}
	st.InFlight = st.Running
	st.Attempts = st.Handled + st.Failed
	st.Acked = st.Handled + st.Skipped + st.Buried
	st.Received = st.Acked + uint64(st.InFlight)
	if r.bus.backlog != nil {
		st.Waiting = r.bus.backlog.waiting(r)
	}
	return st
}

// recent is how long Health tells of an event that was lost.
const recent = time.Minute

// Health says what is wrong; see [eventbus.Inspector].
func (d *Direct) Health(context.Context) error {
	if d.closing.Load() {
		return fmt.Errorf("eventbus: health: %w", eventbus.ErrClosed)
	}
	var errs []error
	for _, r := range d.directory.Load().all {
		r.mu.Lock()
		if r.trouble != nil && d.clock.Now().Sub(r.troubleAt) < recent {
			errs = append(errs, fmt.Errorf("eventbus: health: %s: a dead letter cannot be stored: %w", r.group, r.trouble))
		}
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// replay handles a letter's event again, or queues it. It is what the dead letters'
// queue is given to send with; the time that it gives is for sending, not for handlers.
func (d *Direct) replay(ctx context.Context, l dlq.Letter) error {
	late, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer d.leave(late)
	group := l.Group + "." + l.Subscriber
	r := d.directory.Load().byGroup(group)
	switch {
	case r == nil:
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, &eventbus.ValidationError{Field: "group", Rule: "must have a subscriber on this bus", Value: excerpt.Of(group)})
	case r.isPaused():
		return fmt.Errorf("%w: %s is paused", eventbus.ErrRefused, group)
	}
	from := provenance{l.Origin, l.Replays + 1}
	if d.backlog != nil {
		d.backlog.push(posting{event: &l.Event, to: []*recipient{r}, from: from, beyond: true})
		return nil
	}
	return r.take(context.WithoutCancel(ctx), &l.Event, from)
}
