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

// Log is a structure that keeps events on a server, under load.
type Log interface {
	Side
	// Subscribe adds one more subscriber, which is handed every event from the first on.
	Subscribe(handle func(i int)) error
	// Stored is how many events the server has.
	Stored() (int, error)
	// Busy is how long the server has worked in commands, since it was started.
	Busy() (time.Duration, error)
}

// LogMaker starts one without subscribers.
type LogMaker func(ctx context.Context, l Load) (Log, error)

// Publishing measures publishing alone. What the server has then must be what was
// published.
func Publishing(ctx context.Context, l Load, start LogMaker) (gauge.Sample, error) {
	return onLog(ctx, l, start, func(r *logRound) (gauge.Sample, error) {
		warm := r.load.warmUp()
		s, err := r.measure(func() error { return r.publish(ctx, 0, warm) }, func() error {
			return r.publish(ctx, warm, warm+r.load.Events)
		})
		return s, errors.Join(err, r.stored(warm+r.load.Events))
	})
}

// Draining measures how fast subscribers handle what was stored before they came: from
// Subscribe to the end of the last handler.
func Draining(ctx context.Context, l Load, start LogMaker) (gauge.Sample, error) {
	return onLog(ctx, l, start, func(r *logRound) (gauge.Sample, error) {
		r.expect(0, r.load.Events)
		fill := func() error { return errors.Join(r.publish(ctx, 0, r.load.Events), r.stored(r.load.Events)) }
		return r.measure(fill, func() error { return errors.Join(r.subscribe(), r.await(ctx)) })
	})
}

// EndToEnd measures from the first publish to the end of the last handler of the last
// subscriber.
func EndToEnd(ctx context.Context, l Load, start LogMaker) (gauge.Sample, error) {
	return onLog(ctx, l, start, func(r *logRound) (gauge.Sample, error) {
		warm := r.load.warmUp()
		run := func(from, to int) error {
			r.expect(from, to)
			return errors.Join(r.publish(ctx, from, to), r.await(ctx))
		}
		if err := r.subscribe(); err != nil {
			return gauge.Sample{}, err
		}
		return r.measure(func() error { return run(0, warm) }, func() error { return run(warm, warm+r.load.Events) })
	})
}

// Paced publishes one event at a time, so many a second, and tells how long each took from
// the call of Publish to its handler.
func Paced(ctx context.Context, l Load, perSecond int, start LogMaker) (gauge.Sample, error) {
	return onLog(ctx, l, start, func(r *logRound) (gauge.Sample, error) {
		warm := perSecond / 2
		r.sent = make([]time.Time, warm+r.load.Events)
		r.times = make([]time.Duration, len(r.sent))
		pace := func(from, to int) error {
			r.expect(from, to)
			return errors.Join(r.pace(from, to, time.Second/time.Duration(perSecond)), r.await(ctx))
		}
		if err := r.subscribe(); err != nil {
			return gauge.Sample{}, err
		}
		s, err := r.measure(func() error { return pace(0, warm) }, func() error { return pace(warm, len(r.sent)) })
		if err != nil {
			return s, err
		}
		times := r.times[warm:]
		slices.Sort(times)
		s.P50, s.P99 = times[len(times)/2], times[len(times)*99/100]
		return s, nil
	})
}

// logRound is one load on one log.
type logRound struct {
	load    Load
	log     Log
	tallies []*Tally // by subscriber
	sent    []time.Time
	times   []time.Duration
}

func onLog(ctx context.Context, l Load, start LogMaker, f func(*logRound) (gauge.Sample, error)) (s gauge.Sample, err error) {
	l = l.WithDefaults()
	if err := l.Validate(); err != nil {
		return s, err
	}
	r := &logRound{load: l}
	for range l.Subscribers {
		r.tallies = append(r.tallies, NewTally(l))
	}
	if r.log, err = start(ctx, l); err != nil {
		return s, err
	}
	if s, err = f(r); err != nil {
		return s, errors.Join(err, r.log.Stop())
	}
	err = r.log.Stop()
	for _, t := range r.tallies {
		if t.all.done != nil { // it was to handle something
			err = errors.Join(err, t.Check())
		}
	}
	return s, err
}

// measure is gauge.Measure, and what the server did meanwhile.
func (r *logRound) measure(warm, work func() error) (gauge.Sample, error) {
	var before, after time.Duration
	s, err := gauge.Measure(r.load.Events, func() (err error) {
		if err = warm(); err == nil {
			before, err = r.log.Busy()
		}
		return err
	}, work)
	if err == nil {
		after, err = r.log.Busy()
	}
	s.Server = after - before
	return s, err
}

func (r *logRound) subscribe() error {
	for _, t := range r.tallies {
		handle := t.Handle
		if r.sent != nil {
			handle = func(i int) {
				r.times[i] = time.Since(r.sent[i])
				t.Handle(i)
			}
		}
		if err := r.log.Subscribe(handle); err != nil {
			return err
		}
	}
	return nil
}

func (r *logRound) expect(from, to int) {
	for _, t := range r.tallies {
		t.Expect(from, to)
	}
}

func (r *logRound) await(ctx context.Context) error {
	for _, t := range r.tallies {
		if err := t.WaitAll(ctx); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes from as many goroutines as there are publishers.
func (r *logRound) publish(ctx context.Context, from, to int) error {
	step := r.load.Publishers
	failed := make([]error, step)
	var publishers sync.WaitGroup
	for p := range step {
		publishers.Go(func() { failed[p] = r.log.Publish(Span{from + p, to, step}) })
	}
	publishers.Wait()
	return errors.Join(append(failed, ctx.Err())...)
}

func (r *logRound) pace(from, to int, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := from; i < to; i++ {
		<-tick.C
		r.sent[i] = time.Now()
		if err := r.log.Publish(Span{i, i + 1, 1}); err != nil {
			return err
		}
	}
	return nil
}

func (r *logRound) stored(want int) error {
	n, err := r.log.Stored()
	if err == nil && n != want {
		err = fmt.Errorf("%d events were published, and the server has %d", want, n)
	}
	return err
}
