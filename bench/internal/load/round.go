package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
)

// Side is one structure under load.
type Side interface {
	// Publish publishes the events of the span, in order; several spans at once.
	// It contains the loop, so that the loop costs both sides the same.
	Publish(s Span) error
	// Stop ends the side. Nothing is published any more.
	Stop() error
}

// Maker starts a side that calls handle for each event, by its number.
type Maker func(ctx context.Context, l Load, handle func(i int)) (Side, error)

// Round starts a side, warms it up, measures how long the load takes from the
// first publish to the end of the last handler, and stops it. An event that was
// not handled, or not exactly once and in its aggregate's order, is an error.
func Round(ctx context.Context, l Load, start Maker) (gauge.Sample, error) {
	l = l.WithDefaults()
	r := &round{load: l, tally: NewTally(l)}
	return r.run(ctx, start, r.all)
}

// RoundTrips is Round with one event under way at a time: published, handled,
// next. Its sample has the quantiles of the single times.
func RoundTrips(ctx context.Context, l Load, start Maker) (gauge.Sample, error) {
	l = l.WithDefaults()
	r := &round{load: l, tally: NewTally(l), times: make([]time.Duration, 0, l.Events)}
	r.tally.each = make(chan struct{}, 1)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := r.run(ctx, start, r.oneByOne)
	if err != nil {
		return s, err
	}
	slices.Sort(r.times)
	s.P50, s.P99 = r.times[len(r.times)/2], r.times[len(r.times)*99/100]
	return s, nil
}

// round is one load on one side.
type round struct {
	load  Load
	side  Side
	tally *Tally
	times []time.Duration
}

func (r *round) run(ctx context.Context, start Maker, drive driver) (s gauge.Sample, err error) {
	if err := r.load.Validate(); err != nil {
		return s, err
	}
	if r.side, err = start(ctx, r.load, r.tally.Handle); err != nil {
		return s, err
	}
	if s, err = r.measure(ctx, drive); err != nil {
		r.tally.GiveUp()
		return s, errors.Join(err, r.side.Stop())
	}
	return s, errors.Join(r.side.Stop(), r.tally.Check())
}

func (r *round) measure(ctx context.Context, drive driver) (gauge.Sample, error) {
	warm := r.load.warmUp()
	to := warm + r.load.Events
	s, err := gauge.Measure(r.load.measured(), func() error {
		r.tally.Expect(0, warm)
		return drive(ctx, 0, warm)
	}, func() error {
		r.tally.Expect(warm, to)
		return drive(ctx, warm, to)
	})
	if err != nil {
		return s, err
	}
	return s, r.tally.WaitAll(ctx)
}

// driver publishes the events from, …, to-1 and returns when those that count
// were handled.
type driver func(ctx context.Context, from, to int) error

// all publishes from as many goroutines as there are publishers.
func (r *round) all(ctx context.Context, from, to int) error {
	step := r.load.Publishers
	failed := make([]error, step)
	var publishers sync.WaitGroup
	for p := 1; p < step; p++ {
		publishers.Go(func() { failed[p] = r.side.Publish(Span{from + p, to, step}) })
	}
	failed[0] = r.side.Publish(Span{from, to, step})
	publishers.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return r.tally.WaitQuick(ctx)
}

func (r *round) oneByOne(ctx context.Context, from, to int) error {
	r.times = r.times[:0]
	began := time.Now()
	for i := from; i < to; i++ {
		if err := r.side.Publish(Span{i, i + 1, 1}); err != nil {
			return err
		}
		select {
		case <-r.tally.each:
		case <-ctx.Done():
			return fmt.Errorf("event %d was not handled: %w", i, context.Cause(ctx))
		}
		now := time.Now()
		r.times = append(r.times, now.Sub(began))
		began = now
	}
	return nil
}
