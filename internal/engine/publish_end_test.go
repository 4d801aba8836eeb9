package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// publishing is a Publish in a goroutine of its own.
type publishing struct {
	ended chan struct{}
	err   error // once it has ended
	took  time.Duration
}

func (p *publishing) done() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (r *rig) publish(ctx context.Context, events ...eventbus.DomainEvent) *publishing {
	p := &publishing{ended: make(chan struct{})}
	began := time.Now()
	go func() {
		defer close(p.ended)
		p.err = r.Publish(ctx, events...)
		p.took = time.Since(began)
	}()
	synctest.Wait()
	return p
}

func TestPublishOfAClosedBusIsRefused(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		virtual(t, settings{traits: Traits{Immediate: immediate}}, func(r *rig) {
			require.NoError(r, r.Publish(r.Context(), order("a", "1")), "it needs no Start")
			require.NoError(r, r.Shutdown(r.Context()))
			require.ErrorIs(r, r.Publish(r.Context(), order("a", "2")), eventbus.ErrClosed)
			require.Len(r, r.fake.sent(), 1)
		})
	}
}

func TestARunningHandlerPublishesDuringShutdown(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		virtual(t, settings{traits: Traits{Immediate: immediate}}, func(r *rig) {
			var err error
			_, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
				rest(time.Second)
				child, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				err = r.Publish(child, order("b", "2"))
				return err
			})
			source.feed(deliveries("a:1")...)
			synctest.Wait()
			require.NoError(r, r.Shutdown(r.within(time.Minute)))
			require.NoError(r, err)
			require.Len(r, r.fake.sent(), 1)
			require.True(r, r.fake.sent()[0].ms[0].Beyond)
			require.Equal(r, []uint64{1}, source.acked())
		})
	}
}

// The context of a handler that has returned is nobody's: neither is a bound passed
// by with it, nor the end of the bus.
func TestTheContextOfAReturnedHandlerOpensNoDoor(t *testing.T) {
	for name, late := range map[string]time.Duration{"in time": 0, "after its time-out": 31 * time.Second} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				var leaked context.Context
				sub, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
					leaked = ctx
					rest(late)
					return nil
				})
				source.feed(deliveries("a:1")...)
				pass(time.Minute)
				require.NotNil(r, leaked)
				require.Error(r, r.Publish(leaked, order("b", "2")), "it has ended")
				detached := context.WithoutCancel(leaked)
				require.NoError(r, r.Publish(detached, order("b", "2")))
				require.False(r, r.fake.sent()[0].ms[0].Beyond)
				require.NoError(r, sub.Stop(detached))
				require.NoError(r, r.Shutdown(detached), "nobody waits for itself")
				require.ErrorIs(r, r.Publish(detached, order("b", "2")), eventbus.ErrClosed)
			})
		})
	}
}

func TestPublishEndsAtItsTimeOut(t *testing.T) {
	never := takes(time.Hour, stored)
	for name, c := range map[string]struct {
		answer answer
		traits Traits
		is     error
	}{
		"no answer":            {never, Traits{}, eventbus.ErrUnknown},
		"no answer, immediate": {never, Traits{Immediate: true}, eventbus.ErrUnknown},
		"not stored":           {fails(ErrNotStored), Traits{}, eventbus.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{traits: c.traits, options: eventbus.Options{PublishTimeout: 7 * time.Second}}, func(r *rig) {
				r.fake.always(c.answer)
				p := r.publish(r.Context(), order("a", "1"))
				pass(time.Minute)
				require.ErrorIs(r, p.err, c.is)
				require.Equal(r, 7*time.Second, p.took)
				soon := r.publish(r.within(2*time.Second), order("a", "1"))
				pass(time.Minute)
				require.ErrorIs(r, soon.err, c.is)
				require.Equal(r, 2*time.Second, soon.took, "its own context ends first")
				r.fake.always(nil)
			})
		})
	}
}

// A transport that waits by the context's deadline sees the time-out too.
func TestSendIsGivenTheDeadline(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		virtual(t, settings{traits: Traits{Immediate: immediate}, options: eventbus.Options{PublishTimeout: 7 * time.Second}}, func(r *rig) {
			var left, asked time.Duration
			r.fake.otherwise = func(ctx context.Context, _ []Message) []error {
				until, ok := ctx.Deadline()
				require.True(r, ok)
				left = time.Until(until)
				rest(time.Second)
				again, _ := ctx.Deadline()
				asked = again.Sub(until)
				return nil
			}
			require.NoError(r, r.Publish(r.Context(), order("a", "1")))
			require.Equal(r, []time.Duration{7 * time.Second, 0}, []time.Duration{left, asked})
			require.NoError(r, r.Publish(r.within(3*time.Second), order("a", "1")))
			require.Equal(r, []time.Duration{3 * time.Second, 0}, []time.Duration{left, asked})
		})
	}
}

func TestAnEndedCallerAloneGetsUnknown(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.answer(takes(time.Second, stored), takes(10*time.Second, stored))
		lone := r.publish(r.Context(), order("a", "1"))
		ctx, cancel := context.WithCancelCause(r.Context())
		ended, other := r.publish(ctx, order("a", "2")), r.publish(r.Context(), order("a", "3"))
		pass(5 * time.Second)
		require.True(r, lone.done() && !ended.done() && !other.done())
		cancel(errors.New("gone"))
		synctest.Wait()
		require.ErrorIs(r, ended.err, eventbus.ErrUnknown)
		require.ErrorIs(r, ended.err, context.Canceled)
		require.False(r, other.done())
		pass(10 * time.Second)
		require.True(r, other.done())
		require.NoError(r, other.err)
		require.Equal(r, [][]string{{"a"}, {"a", "a"}}, r.fake.keys())
	})
}

func TestAnEndedCallerInTheQueueIsWithdrawn(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.answer(takes(10*time.Second, stored))
		lone := r.publish(r.Context(), order("a", "1"))
		queued, behind := r.publish(r.within(time.Second), order("b", "2")), r.publish(r.Context(), order("c", "3"))
		pass(2 * time.Second)
		require.ErrorIs(r, queued.err, eventbus.ErrRefused)
		require.ErrorIs(r, queued.err, context.DeadlineExceeded)
		require.NotErrorIs(r, queued.err, eventbus.ErrUnknown)
		require.Equal(r, time.Second, queued.took)
		pass(10 * time.Second)
		require.True(r, lone.done() && behind.done())
		require.NoError(r, errors.Join(lone.err, behind.err))
		require.Equal(r, [][]string{{"a"}, {"c"}}, r.fake.keys())
	})
}

// Who waits behind others waits no longer than its time-out, be it for its turn or for
// what is being sent by then.
func TestTheTimeOutHoldsInTheQueue(t *testing.T) {
	set := settings{traits: Traits{Batch: 1}, options: eventbus.Options{PublishTimeout: 10 * time.Second}}
	virtual(t, set, func(r *rig) {
		for range 2 {
			r.fake.answer(takes(9*time.Second, stored))
		}
		lone := r.publish(r.Context(), order("a", "1"))
		next := r.publish(r.Context(), order("b", "2"))
		last := r.publish(r.Context(), order("c", "3"))
		pass(time.Minute)
		require.NoError(r, lone.err)
		require.ErrorIs(r, next.err, eventbus.ErrUnknown)
		require.ErrorIs(r, next.err, context.DeadlineExceeded)
		require.Equal(r, 10*time.Second, next.took)
		require.ErrorIs(r, last.err, eventbus.ErrRefused)
		require.ErrorIs(r, last.err, context.DeadlineExceeded)
		require.Equal(r, 10*time.Second, last.took)
		require.Len(r, r.fake.sent(), 2)

		r.fake.answer(takes(5*time.Second, stored), takes(4*time.Second, stored))
		lone = r.publish(r.Context(), order("a", "1"))
		next = r.publish(r.Context(), order("b", "2"))
		pass(time.Minute)
		require.NoError(r, errors.Join(lone.err, next.err))
		require.Equal(r, 9*time.Second, next.took)
	})
}

// A move whose outcome is unknown is made again: it waits for what is being sent beyond its
// time-out.
func TestAMoveWaitsForItsOutcome(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{PublishTimeout: 10 * time.Second}}, func(r *rig) {
		r.fake.answer(takes(5*time.Second, stored), takes(8*time.Second, stored))
		moved := make(chan error, 2)
		for range 2 {
			go func() {
				moved <- r.sender.move(r.Context(), Message{To: Address{Topic: "order", Group: "shop"}, Key: "a"})
			}()
			synctest.Wait()
		}
		pass(12 * time.Second)
		require.Len(r, moved, 1)
		pass(2 * time.Second)
		require.Len(r, moved, 2)
		require.NoError(r, errors.Join(<-moved, <-moved))
		require.Len(r, r.fake.sent(), 2)
	})
}

// What a bus that ends has stored is told so, also to who has waited behind others.
func TestShutdownTellsWhatWasStoredAtTheEnd(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.fake.answer(takes(time.Second, stored), func(ctx context.Context, _ []Message) []error {
			<-ctx.Done()
			<-after(time.Second / 2)
			return nil
		})
		one, two := r.publish(r.Context(), order("a", "1")), r.publish(r.Context(), order("a", "2"))
		require.NoError(r, r.Shutdown(r.within(10*time.Second)))
		synctest.Wait()
		require.NoError(r, errors.Join(one.err, two.err))
	})
}
