package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// What runs when a source is asked back may end and is acknowledged; all else is left to others.
func TestASourceThatIsAskedBackIsGivenInGoodOrder(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.join(eventbus.Subscriber{Concurrency: 3, Handler: eventbus.HandlerFunc(
			func(_ context.Context, e eventbus.DomainEvent) error {
				j.add("%s", e.ID)
				switch e.ID {
				case "waits":
					return eventbus.RetryAfter(errBoom, time.Minute)
				case "fails":
					rest(time.Second)
					return errBoom
				case "1":
					rest(2 * time.Second)
				}
				return nil
			})})
		next := r.member("mailer").open()
		source.feed(deliveries("w:waits", "w:behind", "a:1", "a:2", "f:fails", "f:3")...)
		pass(time.Millisecond)
		source.fail(ErrWithdrawn)
		synctest.Wait()
		require.Equal(r, 2, r.stats().InFlight, "only those whose handlers run are left")
		require.False(r, source.isClosed())
		pass(1500 * time.Millisecond)
		require.Equal(r, 1, r.stats().InFlight, "what fails is not tried again")
		require.False(r, source.isClosed())
		pass(time.Second)
		require.True(r, source.isClosed())
		require.Equal(r, []uint64{3}, source.acked())
		next.feed(deliveries("a:2'", "f:fails'")...)
		pass(time.Minute)
		require.ElementsMatch(r, []string{"0s waits", "0s 1", "0s fails", "2.501s 2'", "2.501s fails'"}, j.all())
		st := r.stats()
		require.Zero(r, st.Reconnections)
		require.Zero(r, st.InFlight+st.Running)
		require.Empty(r, saw(r.seen, &r.seen.reconnected))
	})
}

func TestASourceThatIsAskedBackWithNothingUnderWayIsClosedAtOnce(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(func(context.Context, eventbus.DomainEvent) error { return nil })
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		source.fail(ErrWithdrawn)
		synctest.Wait()
		require.True(r, source.isClosed())
		require.Equal(r, []uint64{1}, source.acked())
	})
}

// A source does not last for ever: what runs then is lost to others.
func TestASourceThatIsAskedBackMayGoBeforeItIsGiven(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		var cause error
		_, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return ctx.Err()
		})
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		source.fail(ErrWithdrawn)
		pass(time.Second)
		require.NoError(r, cause)
		source.end()
		synctest.Wait()
		require.ErrorIs(r, cause, eventbus.ErrInterrupted)
		require.True(r, source.isClosed())
		require.Empty(r, source.acked())
		require.Zero(r, r.stats().InFlight)
	})
}

// A full window does not hide it, and Stop goes on meanwhile.
func TestASourceThatIsAskedBackWhileItsWindowIsFull(t *testing.T) {
	virtual(t, settings{traits: Traits{Keep: time.Second}, options: eventbus.Options{Window: 2}}, func(r *rig) {
		sub, source := r.on(func(_ context.Context, e eventbus.DomainEvent) error {
			if e.ID == "1" {
				rest(5 * time.Second)
				return nil
			}
			return eventbus.RetryAfter(errBoom, time.Minute)
		})
		source.feed(deliveries("a:1", "b:2", "c:3")...)
		synctest.Wait()
		source.set(func(s *fakeSource) { s.keepErr = ErrWithdrawn })
		source.fail(ErrWithdrawn)
		pass(1500 * time.Millisecond)
		require.Equal(r, 1, r.stats().InFlight)
		require.NoError(r, sub.Stop(r.Context()))
		require.True(r, source.isClosed())
		require.Equal(r, []uint64{1}, source.acked())
	})
}

// Where it did not answer before, the next one shows that what was wrong is over.
func TestAnOutageEndsWithTheSourceAfterTheOneThatIsAskedBack(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(func(context.Context, eventbus.DomainEvent) error { return nil })
		source.fail(errBoom, ErrWithdrawn)
		pass(time.Minute)
		require.True(r, source.isClosed())
		require.Empty(r, saw(r.seen, &r.seen.reconnected))
		r.member("mailer").open()
		synctest.Wait()
		require.Len(r, saw(r.seen, &r.seen.reconnected), 1)
		require.Equal(r, uint64(1), r.stats().Reconnections)
	})
}
