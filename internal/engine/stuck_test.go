package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// deaf is a handler that does not return for the event with the ID "stuck" before
// the gate opens, and writes down when it is called.
func deaf(j *journal, gate chan struct{}, late error) eventbus.HandlerFunc {
	return func(_ context.Context, e eventbus.DomainEvent) error {
		j.add("%s", e.ID)
		if e.ID == "stuck" {
			<-gate
			return late
		}
		return nil
	}
}

func TestAStuckHandlerIsGivenUpAfterItsGrace(t *testing.T) {
	for name, late := range map[string]error{"late success": nil, "late failure": errBoom, "late suspension": eventbus.Suspend(errBoom, time.Hour)} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				j := newJournal()
				gate, open := r.gate()
				_, source := r.join(eventbus.Subscriber{Concurrency: 1, Timeout: 10 * time.Second, Handler: deaf(j, gate, late)})
				source.feed(deliveries("a:stuck", "a:2", "b:3")...)
				pass(15*time.Second - time.Millisecond)
				require.Equal(r, []string{"0s stuck"}, j.all())
				require.Empty(r, r.buried())
				require.Equal(r, 1, r.stats().Running)
				pass(time.Millisecond)
				require.ElementsMatch(r, []string{"0s stuck", "15s 2", "15s 3"}, j.all(), "its slot is free, its lane goes on")
				require.Equal(r, []uint64{1, 2, 3}, source.acked())
				pass(time.Minute)
				open()
				pass(2 * time.Hour)
				source.feed(deliveries("a:4")...)
				synctest.Wait()
				require.Equal(r, []uint64{1, 2, 3, 4}, source.acked(), "its late return changes nothing")
				require.Len(r, r.buried(), 1)
				l := r.buried()[0]
				require.Equal(r, dlq.Timeout, l.Reason)
				require.Equal(r, 1, l.Attempts, "it is not tried again")
				require.Contains(r, l.Errors[0], "did not return within 5s after its time-out of 10s")
				st := r.stats()
				require.Equal(r, []uint64{1, 4, 1, 3, 1}, []uint64{st.Stuck, st.Attempts, st.Failed, st.Handled, st.Buried})
				require.Zero(r, st.Running+st.InFlight)
				require.True(r, saw(r.seen, &r.seen.buried)[0].Stuck)
			})
		})
	}
}

// The attempt of a stuck handler ended when it was given up, and is told like others.
func TestAStuckAttemptIsTold(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, open := r.gate()
		_, source := r.join(eventbus.Subscriber{Timeout: 10 * time.Second, Handler: deaf(newJournal(), gate, nil)})
		source.feed(deliveries("a:stuck")...)
		pass(time.Minute)
		open()
		synctest.Wait()
		all := saw(r.seen, &r.seen.handled)
		require.Len(r, all, 1)
		require.ErrorIs(r, all[0].Err, eventbus.ErrTimeout)
		require.Equal(r, 1, all[0].Attempt)
		require.Equal(r, 15*time.Second, all[0].Took)
	})
}

func TestAStuckEventIsDroppedOrTriedAgainWithoutLetters(t *testing.T) {
	for mode, want := range map[eventbus.DeadLetterMode][]string{
		eventbus.DropLetters:  {"0s stuck", "15s 2"},
		eventbus.BlockLetters: {"0s stuck", "45s stuck", "1m30s stuck"},
	} {
		virtual(t, settings{options: eventbus.Options{DeadLetters: mode}}, func(r *rig) {
			j := newJournal()
			gate, open := r.gate()
			_, source := r.join(eventbus.Subscriber{Timeout: 10 * time.Second, Handler: deaf(j, gate, nil)})
			source.feed(deliveries("a:stuck", "a:2")...)
			pass(100 * time.Second)
			require.Equal(r, want, j.all())
			require.Empty(r, r.buried(), "no letter is kept")
			open()
			pass(time.Minute)
			require.Equal(r, []uint64{1, 2}, source.acked())
		})
	}
}

// A handler that has returned is not stuck, however long its letter takes.
func TestASlowLetterStoreMakesNoHandlerStuck(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.letters.took = time.Minute
		_, source := r.join(eventbus.Subscriber{Timeout: 10 * time.Second, Handler: eventbus.HandlerFunc(
			func(_ context.Context, e eventbus.DomainEvent) error {
				rest(9 * time.Second)
				if e.ID == "1" {
					return eventbus.Permanent(errBoom)
				}
				return nil
			})})
		source.feed(deliveries("a:1", "a:2")...)
		pass(2 * time.Minute)
		require.Equal(r, []uint64{1, 2}, source.acked())
		require.Equal(r, 1, r.letters.puts)
		require.Zero(r, r.stats().Stuck)
		require.Equal(r, uint64(2), r.stats().Attempts)
		require.Equal(r, dlq.HandlerError, r.buried()[0].Reason)
	})
}

// lateClock is a clock of a process that stood still: timers of 30 s fire 20 s late.
type lateClock struct{ eventbus.Clock }

func (c lateClock) AfterFunc(d time.Duration, f func()) eventbus.Timer {
	if d == 30*time.Second {
		d += 20 * time.Second
	}
	return c.Clock.AfterFunc(d, f)
}

// The grace counts from when the handler was told that its time is up.
func TestAHandlerHasItsGraceAlsoWhenTheProcessStoodStill(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{Clock: lateClock{eventbus.SystemClock()}}}, func(r *rig) {
		_, source := r.on(func(ctx context.Context, _ eventbus.DomainEvent) error {
			<-ctx.Done()
			rest(4 * time.Second)
			return nil
		})
		source.feed(deliveries("a:1")...)
		pass(2 * time.Minute)
		require.Equal(r, []uint64{1}, source.acked())
		require.Zero(r, r.stats().Stuck)
		require.Equal(r, uint64(1), r.stats().Handled)
	})
}

// A handler that does not return gives its place away also where its source is gone.
func TestAStuckHandlerOfALostSourceFreesItsPlace(t *testing.T) {
	for _, key := range []string{"a", "b"} { // of what comes next: it waits in the same lane, or in another one
		for _, window := range []int{1, 10} {
			virtual(t, settings{options: eventbus.Options{Window: window}}, func(r *rig) {
				j := newJournal()
				gate, _ := r.gate()
				_, source := r.join(eventbus.Subscriber{Concurrency: 1, Timeout: time.Second, Handler: deaf(j, gate, nil)})
				source.feed(deliveries("a:stuck")...)
				synctest.Wait()
				next := r.member("mailer").open()
				source.end()
				next.feed(again(deliveries(key+":1", "c:2")...)...)
				pass(time.Minute)
				require.ElementsMatch(r, []string{"0s stuck", "6s 1", "6s 2"}, j.all())
			})
		}
	}
}
