package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// The end of a subscription, in this order: no handler starts and nothing is
// received any more; running handlers end; what was finished is acknowledged;
// what was tried is written down; the sources are closed, which gives back in
// order what was not started; the member leaves. One goroutine of its own does it,
// so that a caller whose time is up can go.

const (
	windDown = 250 * time.Millisecond // for cancelled handlers to return
	lastRest = 500 * time.Millisecond // for settling after that: a caller waits less than a second too long
)

// Stop ends the subscription; see [eventbus.Subscription].
func (s *subscription) Stop(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: stop %s: %w", s.group, errNilContext)
	}
	s.end(nil)
	if a := s.bus.attemptIn(ctx); a != nil && a.s == s {
		return nil // it would wait for itself
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	return s.hurry(ctx)
}

// end begins the end, for the reason given.
func (s *subscription) end(why error) {
	s.ending.Do(func() {
		s.mu.Lock()
		s.halted, s.err = true, why
		if s.resume != nil {
			s.resume.Stop()
		}
		s.checkIdle()
		s.mu.Unlock()
		s.halt()
		go s.close()
	})
}

// close carries the end out.
func (s *subscription) close() {
	select {
	case <-s.idle:
	case <-s.overrun: // the time was up, and some handlers do not return
	}
	s.loops.Wait()
	var feeds sync.WaitGroup
	for _, f := range s.openFeeds() {
		feeds.Go(func() { f.close(s.settling) }) // at once: there may be hundreds, and the backend may ask a broker for each
	}
	feeds.Wait()
	if err := s.member.Close(s.settling); err != nil && s.settling.Err() == nil {
		s.bus.notices.warn("a member cannot leave its group in good order", s.group, failure(err))
	}
	s.mu.Lock()
	for _, t := range []eventbus.Timer{s.watch, s.instant.timer} {
		if t != nil {
			t.Stop()
		}
	}
	s.mu.Unlock()
	s.giveUp(nil)
	s.bus.forget(s.group)
	close(s.done)
}

func (s *subscription) openFeeds() []*feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*feed
	for f := range s.feeds {
		all = append(all, f)
		for x := f.flights.first; x != nil; x = x.after {
			if x.atWork() { // no timer runs for it
				continue
			}
			if t := x.past.timer; t != nil {
				t.Stop()
				x.past.timer = nil
			}
		}
	}
	return all
}

// hurry cancels the handlers that still run and names them. What can be settled in
// a moment still is.
func (s *subscription) hurry(ctx context.Context) error {
	unfinished := s.interrupt()
	s.await(windDown, s.idle)
	s.late.Do(func() { close(s.overrun) })
	s.await(lastRest, s.done)
	s.giveUp(context.Cause(ctx))
	if len(unfinished) > 0 {
		return &eventbus.UnfinishedError{Handling: unfinished}
	}
	select {
	case <-s.done:
		return nil
	default:
		return fmt.Errorf("eventbus: stop %s: the backend did not let go in time: %w", s.group, ctx.Err())
	}
}

// await waits for d at most.
func (s *subscription) await(d time.Duration, c <-chan struct{}) {
	ended, stop := s.bus.after(d)
	defer stop()
	select {
	case <-c:
	case <-ended:
	}
}

// interrupt cancels the handlers that run, and names their events.
func (s *subscription) interrupt() (unfinished []eventbus.Unfinished) {
	var cancelled []*attemptContext
	s.mu.Lock()
	for _, list := range []*attempts{&s.running, &s.overdue} {
		for a := list.first; a != nil; a = a.next {
			cancelled = append(cancelled, a.context)
			u := eventbus.Unfinished{Group: s.sub.Group, Subscriber: s.sub.Name, Since: a.context.began}
			if e := a.event.Load(); e != nil {
				u.EventID, u.Type = e.ID, e.Type
			}
			unfinished = append(unfinished, u)
		}
	}
	s.mu.Unlock()
	for _, c := range cancelled {
		c.end(eventbus.ErrInterrupted)
	}
	return unfinished
}

var errWaitsForItself error = &eventbus.ValidationError{
	Field: "ctx", Rule: "must not be that of a handler, which would be waited for: call it from another goroutine",
}

// Shutdown ends all subscriptions and the bus; see [eventbus.EventBus].
func (b *Bus) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("eventbus: shutdown: %w", errNilContext)
	}
	if b.attemptIn(ctx) != nil {
		return fmt.Errorf("eventbus: shutdown: %w", errWaitsForItself)
	}
	if b.closing.CompareAndSwap(false, true) {
		go b.close()
	}
	select {
	case <-b.down:
		return nil
	case <-ctx.Done():
	}
	return b.hurry(ctx)
}

// close ends the subscriptions, then the publishing side.
func (b *Bus) close() {
	subs := b.subscriptions()
	for _, s := range subs {
		s.end(nil)
	}
	for _, s := range subs {
		<-s.done
	}
	b.joining.Wait()
	// Nothing is left that could publish; what is under way ends by its own time-out.
	ctx, cancel := context.WithCancel(b.sender.context)
	defer cancel()
	b.sender.close(ctx)
	if err := b.backend.Transport.Close(context.WithoutCancel(ctx)); err != nil {
		b.notices.warn("the backend cannot be closed in good order", b.options.Group, failure(err))
	}
	close(b.down)
}

// hurry is what Shutdown does when its time is up.
func (b *Bus) hurry(ctx context.Context) error {
	b.sender.stop()
	ended, stop := b.after(windDown + lastRest)
	defer stop()
	subs := b.subscriptions()
	outcomes := make(chan error, len(subs))
	for _, s := range subs {
		go func() { outcomes <- s.hurry(ctx) }()
	}
	var all eventbus.UnfinishedError
	var others []error
	for range subs {
		err := <-outcomes
		var one *eventbus.UnfinishedError
		if errors.As(err, &one) {
			all.Handling = append(all.Handling, one.Handling...)
		} else if err != nil {
			others = append(others, err)
		}
	}
	if len(all.Handling) > 0 {
		slices.SortFunc(all.Handling, func(x, y eventbus.Unfinished) int { return x.Since.Compare(y.Since) })
		others = append(others, &all)
	}
	select {
	case <-b.down:
	case <-ended:
		if len(others) == 0 {
			return fmt.Errorf("eventbus: shutdown: the backend did not let go in time: %w", ctx.Err())
		}
	}
	return errors.Join(others...)
}
