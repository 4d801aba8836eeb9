package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func ended(s eventbus.Subscription) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

func TestStopWaitsForRunningHandlersAndLeavesTheGroup(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		sub, source := r.join(eventbus.Subscriber{Concurrency: 1, Handler: slow(j, same1s)})
		source.feed(deliveries("a:1", "a:2", "b:3")...)
		pass(100 * time.Millisecond)
		require.False(r, ended(sub))
		_, err := r.Subscribe(r.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: eventbus.HandlerFunc(succeed)})
		require.ErrorIs(r, err, eventbus.ErrDuplicate)

		require.NoError(r, sub.Stop(r.Context()))
		require.Equal(r, []string{"0s 1 begins", "1s 1 ends"}, j.all())
		require.Equal(r, []string{"source0 acked 1", "source0 closed", "member closed"}, r.fake.wrote())
		require.True(r, ended(sub))
		require.NoError(r, sub.Err())
		require.NoError(r, sub.Stop(r.Context()), "it is idempotent")
		pass(time.Minute)
		require.Len(r, j.all(), 2)

		again, source := r.join(eventbus.Subscriber{Handler: slow(j, same1s)})
		source.feed(deliveries("a:2")...)
		pass(time.Minute)
		require.Len(r, j.all(), 4, "the name is free, and handling begins at once on a started bus")
		require.False(r, ended(again))
	})
}

func TestStopInItsOwnHandlerReturnsAtOnce(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		var sub *subscription
		var err error
		sub, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			began := time.Now()
			err = sub.Stop(child)
			require.Zero(r, time.Since(began))
			rest(time.Second)
			require.NoError(r, ctx.Err(), "the handler goes on")
			return nil
		})
		source.feed(deliveries("a:1", "a:2")...)
		pass(time.Minute)
		require.NoError(r, err)
		require.True(r, ended(sub))
		require.Equal(r, []uint64{1}, source.acked())
	})
}

func TestStopInAnotherHandlerWaits(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		slowly, source := r.on(slow(j, same1s))
		_, other := r.join(eventbus.Subscriber{Name: "other", Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
			return slowly.Stop(ctx)
		})})
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		other.feed(deliveries("a:1")...)
		pass(500 * time.Millisecond)
		require.Empty(r, other.acked())
		pass(time.Second)
		require.Equal(r, []uint64{1}, other.acked())
		require.True(r, ended(slowly))
	})
}

func TestStopCancelsHandlersWhenItsTimeIsUp(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		sub, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
			<-ctx.Done()
			require.ErrorIs(r, context.Cause(ctx), eventbus.ErrInterrupted)
			require.ErrorIs(r, ctx.Err(), context.Canceled)
			return errors.New("not mine")
		})
		source.feed(deliveries("a:1", "b:2")...)
		pass(time.Second)
		began := time.Now()
		err := sub.Stop(r.within(3 * time.Second))
		require.Equal(r, 3*time.Second, time.Since(began), "handlers that obey are not waited for longer")
		var unfinished *eventbus.UnfinishedError
		require.ErrorAs(r, err, &unfinished)
		require.ErrorIs(r, err, eventbus.ErrUnfinished)
		require.Len(r, unfinished.Handling, 2)
		var names []string
		for _, u := range unfinished.Handling {
			names = append(names, fmt.Sprint(u.Group, u.Subscriber, u.Type, u.EventID, began.Sub(u.Since)))
		}
		require.ElementsMatch(r, []string{"defaultmailerorder.created11s", "defaultmailerorder.created21s"}, names)
		require.True(r, ended(sub))
		require.Empty(r, source.acked())
		require.Empty(r, saw(r.seen, &r.seen.handled), "an interrupted attempt does not count")
		require.Equal(r, []string{"source0 closed", "member closed"}, r.fake.wrote())
	})
}

func TestAMembershipThatIsOverEndsTheSubscription(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		sub, source := r.on(slow(newJournal(), same1s))
		source.feed(deliveries("a:1", "a:2")...)
		synctest.Wait()
		r.member("mailer").errs <- fmt.Errorf("expelled: %w", ErrGone)
		synctest.Wait()
		require.False(r, ended(sub), "its handler runs")
		pass(time.Second)
		require.True(r, ended(sub))
		require.ErrorIs(r, sub.Err(), ErrGone)
		require.ErrorContains(r, sub.Err(), "eventbus: default.mailer: the membership of the group is over: expelled")
		require.Equal(r, []uint64{1}, source.acked())
		require.NoError(r, sub.Stop(r.Context()))
		require.ErrorIs(r, sub.Err(), ErrGone, "the first reason stays")
		r.on(succeed)
	})
}

func TestAPausedSubscriptionStops(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		sub, source := r.on(succeed)
		sub.Pause()
		source.feed(deliveries("a:1")...)
		pass(time.Second)
		require.NoError(r, sub.Stop(r.Context()))
		sub.Resume()
		pass(time.Second)
		require.Empty(r, source.acked())
		require.ErrorIs(r, sub.Stop(nil), eventbus.ErrInvalid) //nolint:staticcheck // the case
	})
}

func TestSubscribeAndStart(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		ok := eventbus.Subscriber{Name: "mailer", Events: []string{"#"}, Handler: eventbus.HandlerFunc(succeed)}
		_, err := r.Subscribe(nil, ok) //nolint:staticcheck // the case
		require.ErrorIs(r, err, eventbus.ErrInvalid)
		_, err = r.Subscribe(r.Context(), eventbus.Subscriber{Name: "a.b"})
		require.ErrorIs(r, err, eventbus.ErrInvalid)
		over, cancel := context.WithCancel(r.Context())
		cancel()
		_, err = r.Subscribe(over, ok)
		require.ErrorIs(r, err, context.Canceled)
		require.ErrorIs(r, r.Start(over), context.Canceled)
		require.Nil(r, r.member("mailer"), "no group was made")

		r.fake.joinError = errBoom
		_, err = r.Subscribe(r.Context(), ok)
		require.ErrorIs(r, err, errBoom)
		require.ErrorContains(r, err, "eventbus: subscribe mailer: boom")
		r.fake.joinError = nil
		sub, err := r.Subscribe(r.Context(), ok)
		require.NoError(r, err, "a failed Join frees the name")
		require.Equal(r, Group{Name: "default.mailer", Patterns: []eventbus.Pattern{"#"}}, r.member("mailer").group)

		source := r.member("mailer").open()
		source.feed(deliveries("a:1")...)
		pass(time.Minute)
		require.Empty(r, source.asked, "nothing is received before Start")
		require.NoError(r, r.Start(r.Context()))
		require.ErrorIs(r, r.Start(r.Context()), eventbus.ErrStarted)
		synctest.Wait()
		require.Equal(r, []uint64{1}, source.acked())
		require.NoError(r, r.Shutdown(r.Context()))
		require.True(r, ended(sub))
		require.ErrorIs(r, r.Start(r.Context()), eventbus.ErrClosed)
		_, err = r.Subscribe(r.Context(), ok)
		require.ErrorIs(r, err, eventbus.ErrClosed)
	})
}
