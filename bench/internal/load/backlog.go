package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
)

// Backlog lets all events of the load wait at once: no handler ends before the last
// one was published, or stands in a Publish that waits. Its sample says what that
// took, then the backlog is drained. Every event must be handled as in Round; there
// is no warm-up, and times say nothing.
//
// A side that takes no event before it is handled needs as many publishers as
// events, and so an aggregate for each.
func Backlog(ctx context.Context, l Load, start Maker) (gauge.Sample, error) {
	l = l.WithDefaults()
	if err := l.Validate(); err != nil {
		return gauge.Sample{}, err
	}
	b := &backlog{load: l, tally: NewTally(l), failed: make([]error, l.Publishers)}
	b.tally.gate = make(chan struct{})
	b.tally.Expect(0, l.Events)
	before := gauge.ReadLevel()
	before.Goroutines++ // the one that watches the memory is not the side's
	started := false
	s, err := gauge.Measure(l.Events, func() (err error) {
		b.side, err = start(ctx, l, b.tally.Handle)
		started = err == nil
		return err
	}, func() error { return b.fillAndDrain(ctx) })
	if !started {
		return s, err
	}
	s.Waiting = b.full.Above(before)
	return s, errors.Join(err, b.side.Stop(), b.tally.Check())
}

// backlog is one load that waits on one side.
type backlog struct {
	load           Load
	side           Side
	tally          *Tally
	full           gauge.Level
	publishers     sync.WaitGroup
	begun, through atomic.Int64 // publishers that have begun, and that are done
	failed         []error
}

func (b *backlog) fillAndDrain(ctx context.Context) error {
	b.publish()
	if err := b.settle(ctx); err != nil {
		b.tally.GiveUp()
		b.publishers.Wait()
		return errors.Join(append(b.failed, err)...)
	}
	b.full = gauge.ReadLevel()
	close(b.tally.gate)
	err := b.tally.WaitAll(ctx)
	if err != nil {
		b.tally.GiveUp()
	}
	b.publishers.Wait()
	return errors.Join(append(b.failed, err)...)
}

// publish starts the publishers; some may stay in their Publish until the gate opens.
func (b *backlog) publish() {
	step := b.load.Publishers
	for p := range step {
		b.publishers.Go(func() {
			b.begun.Add(1)
			b.failed[p] = b.side.Publish(Span{p, b.load.Events, step})
			b.through.Add(1)
		})
	}
}

// settle waits until every event waits: each was taken, or each has a publisher of
// its own that stands still.
func (b *backlog) settle(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(stall)
	defer timeout.Stop()
	for quiet := 0; quiet < 2; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return b.unsettled(context.Cause(ctx))
		case <-timeout.C:
			return b.unsettled(fmt.Errorf("that took more than %v", stall))
		}
		quiet++
		if !b.waits() {
			quiet = 0
		}
	}
	return nil
}

func (b *backlog) waits() bool {
	const ours = 2 // this one, and the one that watches the memory
	publishers := int64(b.load.Publishers)
	taken := b.through.Load() == publishers
	held := b.begun.Load() == publishers && b.load.Publishers == b.load.Events
	return (taken || held) && gauge.Running() <= ours
}

func (b *backlog) unsettled(cause error) error {
	return fmt.Errorf("the backlog does not stand still: %d of %d publishers are through: %w",
		b.through.Load(), b.load.Publishers, cause)
}
