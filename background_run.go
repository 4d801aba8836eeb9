package eventbus

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/seed-28af575d/eventbus/internal/scope"
)

// run hands over what is queued until nothing is. There is one such goroutine at most.
func (b *BackgroundBus) run() {
	for {
		wave := b.next()
		if wave == nil {
			return
		}
		b.handOver(wave)
		b.tell(b.settle(wave))
	}
}

// next takes what is handed over next out of the queue. nil ends the goroutine.
func (b *BackgroundBus) next() []*parcel {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := &b.backlog
	if len(q.calls) == 0 {
		b.running = false
		if b.closing {
			close(b.drained)
		}
		return nil
	}
	wave, rest := pack(q.calls)
	clear(q.calls[:len(q.calls)-len(rest)]) // the published ones are not to be kept alive
	if q.calls = rest; len(rest) == 0 {
		q.calls = nil
	}
	b.wave = wave
	return wave
}

var (
	errNotDrained = fmt.Errorf("%w: it was still queued when the time of Shutdown was up: %w", ErrRefused, ErrUnfinished)
	errAbandoned  = fmt.Errorf("%w: the bus beneath had not answered when the time of Shutdown was up: %w", ErrUnknown, ErrUnfinished)
	errVanished   = fmt.Errorf("%w: the goroutine that called the bus beneath was ended by it", ErrUnknown)
)

// handOver publishes the parcels beside each other and waits for all of them, or
// until Shutdown gives up.
func (b *BackgroundBus) handOver(wave []*parcel) {
	if b.life.Err() != nil {
		for _, p := range wave {
			p.fail(errNotDrained)
		}
		return
	}
	back := make(chan func(), len(wave))
	for _, p := range wave {
		go b.carry(p, back)
	}
	for range wave {
		select {
		case note := <-back:
			note()
			continue
		case <-b.late:
		}
		select {
		case note := <-back:
			note()
		default:
			abandon(wave)
			return
		}
	}
}

// abandon gives up what has not returned.
func abandon(wave []*parcel) {
	for _, p := range wave {
		if !p.back {
			p.fail(errAbandoned)
		}
	}
}

// carry publishes one parcel, in a goroutine of its own: the bus beneath may do with
// it what it likes.
func (b *BackgroundBus) carry(p *parcel, back chan<- func()) {
	errs, returned := []error(nil), false
	defer func() {
		if !returned {
			errs = repeat(errVanished, len(p.events))
		}
		back <- func() { p.errs, p.back = errs, true }
	}()
	mark := &carrying{}
	defer mark.over.Store(true)
	ctx, cancel := context.WithCancel(context.WithValue(p.calls[0].ctx, carryingKey{b}, mark))
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()
	errs = p.publish(ctx, b.inner)
	returned = true
}

// carrying marks the context of what is handed over: a handler that the bus beneath runs
// in its Publish has it too.
type carrying struct{ over atomic.Bool }

type carryingKey struct{ bus *BackgroundBus }

// within reports whether ctx is that of a handler which has not returned.
func (b *BackgroundBus) within(ctx context.Context) bool {
	mark, ok := ctx.Value(carryingKey{b}).(*carrying)
	return ok && !mark.over.Load() || scope.Handling(ctx)
}

// failure is what Options.Failed is told.
type failure struct {
	ctx   context.Context
	event DomainEvent
	err   error
}

// settle counts what became of the parcels, makes room, and returns what failed.
func (b *BackgroundBus) settle(wave []*parcel) (failed []failure) {
	total := 0
	for _, p := range wave {
		total += len(p.events)
		for i, err := range p.errs {
			if err != nil {
				failed = append(failed, failure{p.calls[0].ctx, p.events[i], err})
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wave = nil
	b.counts.failed += uint64(len(failed))
	b.counts.published += uint64(total - len(failed))
	if b.cut {
		for _, f := range failed {
			b.lost = append(b.lost, EventError{Index: len(b.lost), ID: f.event.ID, Type: f.event.Type, Err: f.err})
		}
	}
	b.queued(b.backlog.giveBack(total))
	return failed
}
