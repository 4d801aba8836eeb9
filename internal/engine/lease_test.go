package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

var leased = settings{traits: Traits{Keep: 10 * time.Second}}

// keeps are the receipts of each Keep.
func (s *fakeSource) kept() (all [][]uint64) {
	s.set(func(s *fakeSource) { all = append(all, s.keeps...) })
	return all
}

func TestLeasesOfAllThatIsUnderWayAreKept(t *testing.T) {
	virtual(t, leased, func(r *rig) {
		gate, open := r.gate()
		_, source := r.join(eventbus.Subscriber{Timeout: time.Hour, Concurrency: 2, Handler: eventbus.HandlerFunc(
			func(_ context.Context, e eventbus.DomainEvent) error {
				switch e.ID {
				case "runs":
					<-gate
				case "waits":
					return eventbus.RetryAfter(errBoom, time.Minute)
				}
				return nil
			})})
		pass(9 * time.Second)
		require.Empty(r, source.kept())
		source.feed(deliveries("a:runs", "a:behind", "b:waits", "c:done")...)
		pass(time.Second)
		require.Equal(r, [][]uint64{{1, 2, 3}}, source.kept())
		pass(20 * time.Second)
		require.Equal(r, [][]uint64{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}}, source.kept())
		open()
		pass(10 * time.Second)
		require.Equal(r, []uint64{3}, source.kept()[3])
		pass(10 * time.Minute)
		n := len(source.kept())
		pass(10 * time.Minute)
		require.Len(r, source.kept(), n, "nothing is under way")
	})
}

func TestALostLeaseEndsTheAttemptUncounted(t *testing.T) {
	virtual(t, leased, func(r *rig) {
		j := newJournal()
		_, source := r.on(func(ctx context.Context, e eventbus.DomainEvent) error {
			j.add("%s", e.ID)
			switch e.ID {
			case "lost":
				<-ctx.Done()
				require.ErrorIs(r, ctx.Err(), context.Canceled)
				require.ErrorIs(r, context.Cause(ctx), eventbus.ErrInterrupted)
				rest(time.Second)
				return ctx.Err()
			case "lost too":
				rest(12 * time.Second) // and succeeds, which is as good as not
			case "3", "5":
				return eventbus.RetryAfter(errBoom, time.Minute)
			}
			return nil
		})
		source.feed(deliveries("a:lost", "a:2", "b:3", "b:4", "c:5", "d:lost too", "d:7", "b:8")...)
		source.set(func(s *fakeSource) { s.lost = []Receipt{{N: 1}, {N: 3}, {N: 6}, {N: 8}, {N: 99}} })
		pass(10*time.Second + 500*time.Millisecond)
		require.Equal(r, []uint64{4}, source.acked(), "the lane of one that waited goes on")
		pass(5 * time.Second)
		require.Equal(r, []uint64{2, 4, 7}, source.acked(), "and those of the handlers when they have returned")
		require.ElementsMatch(r, []string{"0s lost", "0s 3", "0s 5", "0s lost too", "10s 4", "11s 2", "12s 7"}, j.all())
		pass(10 * time.Minute)
		require.Equal(r, []uint64{2, 4, 5, 7}, source.acked())
		st := r.stats()
		require.Equal(r, []uint64{7, 4, 3, 1}, []uint64{st.Attempts, st.Failed, st.Handled, st.Buried})
		require.Zero(r, st.InFlight+st.Running)
		require.Contains(r, r.log.String(), "leases were lost")
	})
}

// A lease that is lost while the letter is being stored makes no second letter, and
// no ack.
func TestALeaseLostWhileALetterIsStored(t *testing.T) {
	virtual(t, leased, func(r *rig) {
		r.letters.took = 30 * time.Second
		_, source := r.on(failing(newJournal(), eventbus.Permanent(errBoom), map[string]int{"1": 9}))
		source.feed(deliveries("a:1", "a:2")...)
		source.set(func(s *fakeSource) { s.lost = []Receipt{{N: 1}} })
		pass(time.Minute)
		require.Equal(r, []uint64{2}, source.acked())
		require.Equal(r, 1, r.letters.puts)
		require.Zero(r, r.stats().InFlight)
	})
}

func TestAKeepThatFailsIsRepeated(t *testing.T) {
	virtual(t, leased, func(r *rig) {
		sub, source := r.on(func(context.Context, eventbus.DomainEvent) error { rest(25 * time.Second); return nil })
		source.keepErr = errBoom
		source.feed(deliveries("a:1")...)
		pass(time.Minute)
		require.Len(r, source.kept(), 2)
		require.Equal(r, []uint64{1}, source.acked())
		require.Contains(r, r.log.String(), `msg="eventbus: cannot extend leases" error=boom`)
		require.NoError(r, sub.Stop(r.Context()))
		synctest.Wait()
	})
}

// Acks that fail hold up no lease.
func TestLeasesAreKeptWhileAcksFail(t *testing.T) {
	virtual(t, settings{traits: Traits{Keep: time.Second}}, func(r *rig) {
		_, source := r.on(func(_ context.Context, e eventbus.DomainEvent) error {
			if e.ID == "long" {
				rest(29 * time.Second)
			}
			return nil
		})
		for range 100 {
			source.ackErrs = append(source.ackErrs, errBoom)
		}
		source.feed(deliveries("a:1", "b:long")...)
		pass(28 * time.Second)
		require.Greater(r, len(source.kept()), 26)
		source.set(func(s *fakeSource) { s.ackErrs = nil })
	})
}
