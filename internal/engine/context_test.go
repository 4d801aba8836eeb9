package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// handling runs one handler call on a rig of its own, and lets time pass until the
// event is acknowledged.
func handling(t *testing.T, sub eventbus.Subscriber, h eventbus.HandlerFunc) {
	t.Helper()
	virtual(t, settings{}, func(r *rig) {
		sub.Handler = h
		_, source := r.join(sub)
		source.feed(deliveries("a:1")...)
		pass(time.Hour)
		require.Equal(r, []uint64{1}, source.acked())
	})
}

func TestTheContextOfAHandlerEndsAtItsTimeOut(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context){
		"Done": func(ctx context.Context) { <-ctx.Done() },
		"child": func(ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			require.ErrorIs(t, context.Cause(child), eventbus.ErrTimeout)
		},
		"child with a later deadline": func(ctx context.Context) {
			child, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			<-child.Done()
			require.ErrorIs(t, context.Cause(child), eventbus.ErrTimeout)
		},
		"child with a value": func(ctx context.Context) { <-context.WithValue(ctx, &errBoom, 1).Done() },
		"AfterFunc": func(ctx context.Context) {
			ended := make(chan struct{})
			context.AfterFunc(ctx, func() { close(ended) })
			<-ended
		},
		"nothing asked": func(context.Context) { rest(3*time.Second + time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			handling(t, eventbus.Subscriber{Timeout: 3 * time.Second}, func(ctx context.Context, _ eventbus.DomainEvent) error {
				began := time.Now()
				require.NoError(t, ctx.Err())
				require.NoError(t, context.Cause(ctx))
				until, ok := ctx.Deadline()
				require.True(t, ok)
				require.Equal(t, began.Add(3*time.Second), until)
				wait(ctx)
				require.InDelta(t, 3, time.Since(began).Seconds(), 0.01)
				require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
				require.ErrorIs(t, context.Cause(ctx), eventbus.ErrTimeout)
				return nil
			})
		})
	}
}

func TestAChildThatEndsEarlierEndsAlone(t *testing.T) {
	handling(t, eventbus.Subscriber{}, func(ctx context.Context, _ eventbus.DomainEvent) error {
		child, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		<-child.Done()
		require.ErrorIs(t, child.Err(), context.DeadlineExceeded)
		require.NoError(t, ctx.Err())
		return nil
	})
}

func TestTheContextEndsWhenItsHandlerReturns(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		var untouched, watched, child, late context.Context
		ran := false
		_, source := r.on(func(ctx context.Context, e eventbus.DomainEvent) error {
			if e.ID == "1" {
				untouched = ctx
				return nil
			}
			watched = ctx
			var cancel context.CancelFunc
			child, cancel = context.WithCancel(ctx)
			r.Cleanup(cancel)
			context.AfterFunc(ctx, func() { ran = true })
			return errBoom
		})
		source.feed(deliveries("a:1", "b:2")...)
		synctest.Wait()
		require.True(r, ran)
		late = context.WithValue(untouched, &errBoom, 1)
		for _, ctx := range []context.Context{untouched, watched, child, late} {
			require.ErrorIs(r, ctx.Err(), context.Canceled)
			require.ErrorIs(r, context.Cause(ctx), errReturned)
			<-ctx.Done()
		}
	})
}

// A handler may keep its context, whatever the bus does with the attempt next.
func TestAKeptContextStaysEnded(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		type kept struct {
			context.Context
			err      error
			deadline time.Time
		}
		var all []kept
		ended := func() {
			for i, k := range all {
				require.ErrorIs(r, k.Err(), k.err, i)
				<-k.Done()
				require.Error(r, context.Cause(k), i)
				until, _ := k.Deadline()
				require.Equal(r, k.deadline, until, i)
				_, ok := eventbus.DeliveryOf(k)
				require.True(r, ok, i)
				require.Nil(r, r.attemptIn(k), i)
			}
		}
		_, source := r.join(eventbus.Subscriber{
			Concurrency: 1, Timeout: 3 * time.Second,
			Handler: eventbus.HandlerFunc(func(ctx context.Context, e eventbus.DomainEvent) error {
				ended()
				require.NoError(r, ctx.Err())
				require.NotNil(r, r.attemptIn(ctx))
				k := kept{Context: ctx, err: context.Canceled}
				k.deadline, _ = ctx.Deadline()
				switch e.ID {
				case "2":
					<-ctx.Done()
					k.err = context.DeadlineExceeded
				case "3":
					rest(4 * time.Second)
					k.err = context.DeadlineExceeded
				}
				all = append(all, k)
				return nil
			}),
		})
		source.feed(deliveries("a:1", "b:2", "c:3", "d:4", "e:5", "f:6")...)
		pass(time.Minute)
		require.Len(r, all, 6)
		ended()
	})
}

// Where nobody looks closely, an attempt begins up to a tick early, never later.
func TestTheTimeOfAnAttemptIsRightToATick(t *testing.T) {
	for timeout, early := range map[time.Duration]time.Duration{longTimeout: tick, longTimeout - 1: 0} {
		virtual(t, settings{}, func(r *rig) {
			r.options.Observer = eventbus.Observer{}
			var off []time.Duration
			_, source := r.join(eventbus.Subscriber{
				Concurrency: 1, Timeout: timeout,
				Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
					until, _ := ctx.Deadline()
					off = append(off, time.Until(until)-timeout)
					rest(tick / 4)
					return nil
				}),
			})
			for range 20 {
				source.feed(deliveries("a:1", "b:2", "c:3")...)
				pass(tick)
			}
			require.Len(r, off, 60)
			for _, d := range off {
				require.LessOrEqual(r, d, time.Duration(0))
				require.GreaterOrEqual(r, d, -early)
			}
			require.Equal(r, early > 0, slices.Min(off) < 0, "the clock is read for each")
		})
	}
}

func TestAHandlerKnowsItsDelivery(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		var told []eventbus.Delivery
		_, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
			d, ok := eventbus.DeliveryOf(context.WithValue(ctx, &errBoom, 1))
			require.True(r, ok)
			told = append(told, d)
			return errors.New("again")
		})
		d := deliveries("a:1")[0]
		d.Header = wire.Facts{Attempts: 1, Replays: 2}.Append(d.Header)
		source.feed(d)
		pass(time.Minute)
		require.Equal(r, []eventbus.Delivery{
			{Group: "default", Subscriber: "mailer", Attempt: 2, Replays: 2},
			{Group: "default", Subscriber: "mailer", Attempt: 3, Replays: 2},
		}, told)
		_, ok := eventbus.DeliveryOf(r.Context())
		require.False(r, ok)
	})
}

func TestBoundedContextEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			end  func(cancel context.CancelFunc)
			want error
		}{
			"time-out":  {func(context.CancelFunc) { rest(time.Minute) }, context.DeadlineExceeded},
			"cancelled": {func(cancel context.CancelFunc) { cancel() }, context.Canceled},
		} {
			parent, cancel := context.WithCancel(context.WithValue(t.Context(), &errBoom, 1))
			var b boundedContext
			b.begin(parent, &limits{eventbus.SystemClock(), time.Minute, t.Context()})
			require.NoError(t, b.Err(), name)
			require.Equal(t, 1, b.Value(&errBoom))
			child, cancelChild := context.WithCancel(&b)
			c.end(cancel)
			<-b.Done()
			<-child.Done()
			require.ErrorIs(t, b.Err(), c.want, name)
			require.Equal(t, 1, child.Value(&errBoom))
			require.True(t, b.end(), "it was used")
			cancelChild()
			cancel()
		}
		var b boundedContext
		b.begin(t.Context(), &limits{eventbus.SystemClock(), time.Minute, t.Context()})
		_, ok := b.Deadline()
		require.True(t, ok)
		require.False(t, b.end(), "nobody has kept it")
	})
}
