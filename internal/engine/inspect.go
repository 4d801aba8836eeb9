package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// fullTooLong is how long a window may be full before Health says so.
const fullTooLong = 10 * time.Second

// Stats returns the counters of this process; see [eventbus.Inspector].
func (b *Bus) Stats(ctx context.Context) (eventbus.Stats, error) {
	st := eventbus.Stats{
		Published: b.counts.published.Load(), Refused: b.counts.refused.Load(),
		Unknown: b.counts.unknown.Load(), BeyondBound: b.counts.beyond.Load(),
	}
	var gauges Gauges
	if g, ok := b.backend.Transport.(Gauger); ok {
		var err error
		if gauges, err = g.Gauge(ctx); err != nil {
			return st, fmt.Errorf("eventbus: stats: %w", err)
		}
	}
	st.BeyondBound += gauges.BeyondBound
	for _, s := range b.subscriptions() {
		one := s.snapshot()
		one.Waiting = gauges.Waiting[s.group]
		st.Subscribers = append(st.Subscribers, one)
	}
	return st, nil
}

func (s *subscription) snapshot() eventbus.SubscriberStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	for f := range s.feeds {
		st.InFlight += f.flights.n + len(f.acks) + f.acking
		if since := f.fullSince; !since.IsZero() && (st.WindowFullSince.IsZero() || since.Before(st.WindowFullSince)) {
			st.WindowFullSince = since
		}
	}
	return st
}

// Health says what is wrong; see [eventbus.Inspector].
func (b *Bus) Health(ctx context.Context) error {
	if b.closing.Load() {
		return fmt.Errorf("eventbus: health: %w", eventbus.ErrClosed)
	}
	var errs []error
	if g, ok := b.backend.Transport.(Gauger); ok {
		if _, err := g.Gauge(ctx); err != nil {
			errs = append(errs, fmt.Errorf("eventbus: health: %w", err))
		}
	}
	for _, s := range b.subscriptions() {
		errs = append(errs, s.health())
	}
	return errors.Join(errs...)
}

func (s *subscription) health() error {
	st := s.snapshot()
	s.mu.Lock()
	trouble, blind := s.trouble, s.blind
	s.mu.Unlock()
	var errs []error
	if blind.tries > 0 {
		errs = append(errs, fmt.Errorf("eventbus: health: %s: cannot look for sources of events, for %v: %w",
			s.group, s.bus.clock.Now().Sub(blind.since).Round(time.Second), blind.err))
	}
	if trouble != nil {
		errs = append(errs, fmt.Errorf("eventbus: health: %s: %w", s.group, trouble))
	}
	if since := st.WindowFullSince; !since.IsZero() && s.bus.clock.Now().Sub(since) > fullTooLong {
		errs = append(errs, fmt.Errorf("eventbus: health: %s: its window of %d deliveries has been full for %v: retries hold it, or the handlers are too slow",
			s.group, st.InFlight, s.bus.clock.Now().Sub(since).Round(time.Second)))
	}
	return errors.Join(errs...)
}

// Topics tells what the backend holds; see [eventbus.Inspector].
func (b *Bus) Topics(ctx context.Context) ([]eventbus.TopicInfo, error) {
	s, err := b.surveyor()
	if err == nil {
		var topics []eventbus.TopicInfo
		if topics, err = s.Topics(ctx); err == nil {
			return topics, nil
		}
	}
	return nil, fmt.Errorf("eventbus: topics: %w", err)
}

// Group tells how far a group is; see [eventbus.Inspector].
func (b *Bus) Group(ctx context.Context, group string) (eventbus.GroupInfo, error) {
	info, err := b.survey(ctx, group)
	if err != nil {
		return eventbus.GroupInfo{}, fmt.Errorf("eventbus: group %s: %w", excerpt.Of(group), err)
	}
	return info, nil
}

func (b *Bus) survey(ctx context.Context, group string) (info eventbus.GroupInfo, err error) {
	s, err := b.surveyor()
	if err != nil {
		return info, err
	}
	if info, err = s.Group(ctx, group); err != nil {
		return info, err
	}
	service, name, _ := strings.Cut(group, ".")
	info.Letters, err = dlq.Count(ctx, b.backend.Letters, dlq.Filter{Group: service, Subscriber: name})
	return info, err
}

func (b *Bus) surveyor() (Surveyor, error) {
	if s, ok := b.backend.Transport.(Surveyor); ok {
		return s, nil
	}
	return nil, fmt.Errorf("%w: this backend cannot be looked at", errors.ErrUnsupported)
}
