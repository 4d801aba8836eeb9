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

// deadly is a handler for which the process dies of the event "bad" and is slow
// with all others. It returns at the end of the test, to a process that is none.
func deadly(r *rig, j *journal) eventbus.HandlerFunc {
	gate, _ := r.gate()
	return func(_ context.Context, e eventbus.DomainEvent) error {
		j.add("%s", e.ID)
		if e.ID == "bad" {
			<-gate
		}
		return nil
	}
}

// crashed returns the ledger as a process leaves it behind that dies now.
func (r *rig) crashed() *fakeLedger { return &fakeLedger{tries: r.ledger.known()} }

func TestACrashIsChargedToTheSuspectAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ledger *fakeLedger
		for crash := range maxCrashes {
			r := newRig(t, settings{ledger: ledger})
			j := newJournal()
			_, source := r.join(eventbus.Subscriber{Timeout: time.Hour, Handler: deadly(r, j)})
			source.feed(again(deliveries("a:1", "b:bad", "c:3")...)...)
			synctest.Wait()
			require.Equal(t, []string{"0s 1", "0s bad"}, j.all())
			ledger = r.crashed()
			require.Equal(t, map[string]Tries{"order/0/2": {Crashes: crash, Suspect: true}}, ledger.tries)
		}
		r := newRig(t, settings{ledger: ledger})
		j := newJournal()
		_, source := r.on(deadly(r, j))
		source.feed(again(deliveries("a:1", "b:bad", "c:3")...)...)
		synctest.Wait()
		require.Equal(t, []string{"0s 1", "0s 3"}, j.all())
		require.Equal(t, []uint64{1, 2, 3}, source.acked())
		require.Len(t, r.buried(), 1)
		l := r.buried()[0]
		require.Equal(t, []any{dlq.Crashed, 10, 0, "bad"}, []any{l.Reason, l.Crashes, l.Attempts, l.EventID})
		require.Contains(t, l.Errors[0], "the process died 10 times while it handled this event alone")
		require.Empty(t, r.ledger.known())
	})
}

// One that waited for its turn when the process died is not charged again and again
// for its old crash.
func TestAnOldCrashIsChargedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &fakeLedger{tries: map[string]Tries{"order/0/2": {Crashes: 2, Suspect: true}}}
		for range 5 {
			r := newRig(t, settings{ledger: ledger})
			_, source := r.join(eventbus.Subscriber{Timeout: time.Hour, Handler: deadly(r, newJournal())})
			source.feed(again(deliveries("a:bad", "b:2")...)...)
			synctest.Wait()
			ledger = r.crashed()
		}
		require.Equal(t, Tries{Crashes: 2, Suspect: true}, ledger.tries["order/0/2"])
		r := newRig(t, settings{ledger: ledger})
		_, source := r.on(failing(newJournal(), eventbus.Permanent(errBoom), map[string]int{"2": 1}))
		source.feed(again(deliveries("a:1", "b:2")...)...)
		synctest.Wait()
		require.Equal(t, 3, r.buried()[0].Crashes)
	})
}

// However a suspect ends, a process that lives on has not died of it.
func TestALivingProcessIsNoCrash(t *testing.T) {
	after := func(d time.Duration, err error) eventbus.HandlerFunc {
		return func(context.Context, eventbus.DomainEvent) error { rest(d); return err }
	}
	lose := func(r *rig, source *fakeSource) { source.end() }
	for name, c := range map[string]struct {
		handler eventbus.HandlerFunc
		happens func(r *rig, source *fakeSource)
	}{
		"retry":                            {after(time.Second, eventbus.RetryAfter(errBoom, time.Hour)), func(*rig, *fakeSource) {}},
		"suspend":                          {after(time.Second, eventbus.Suspend(errBoom, time.Minute)), func(*rig, *fakeSource) {}},
		"source gone, handler interrupted": {func(ctx context.Context, _ eventbus.DomainEvent) error { <-ctx.Done(); return ctx.Err() }, lose},
		"source gone, handler succeeds":    {after(time.Second, nil), lose},
		"source gone, handler fails":       {after(time.Second, errBoom), lose},
		"source gone, handler goes on":     {after(20*time.Second, nil), lose},
		"lease lost": {after(20*time.Second, nil), func(_ *rig, source *fakeSource) {
			source.set(func(s *fakeSource) { s.lost = []Receipt{{N: 1}} })
		}},
		"stopped": {after(5*time.Second, errBoom), func(r *rig, _ *fakeSource) {
			for _, s := range r.subscriptions() {
				require.NoError(r, s.Stop(r.Context()))
			}
		}},
		"shut down, handler overruns": {after(time.Minute, nil), func(r *rig, _ *fakeSource) {
			require.ErrorIs(r, r.Shutdown(r.within(time.Second)), eventbus.ErrUnfinished)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{traits: Traits{Keep: time.Second}, options: eventbus.Options{Hold: 2 * time.Hour}}, func(r *rig) {
				_, source := r.on(c.handler)
				source.feed(again(deliveries("a:1")...)...)
				synctest.Wait()
				require.Len(r, r.ledger.suspects(), 1)
				c.happens(r, source)
				pass(10 * time.Second)
				ledger := r.crashed() // of something else
				if name != "source gone, handler goes on" && name != "lease lost" {
					require.Empty(r, ledger.suspects())
				}
				pass(time.Minute)
				require.Empty(r, r.ledger.suspects())
			})
		})
	}
}

// A new source of the same process finds the suspect that still runs here.
func TestARunningSuspectIsNotChargedByItsOwnProcess(t *testing.T) {
	virtual(t, settings{traits: Traits{Keep: time.Second}}, func(r *rig) {
		_, source := r.on(func(_ context.Context, e eventbus.DomainEvent) error {
			if e.ID == "1" {
				rest(10 * time.Second)
			}
			return eventbus.Permanent(errBoom)
		})
		next := r.member("mailer").open()
		source.feed(again(deliveries("a:1")...)...)
		synctest.Wait()
		source.end()
		next.feed(again(deliveries("a:1'")...)...)
		pass(time.Minute)
		require.Equal(r, []uint64{1}, next.acked())
		for _, l := range r.buried() {
			require.Zero(r, l.Crashes, l.EventID)
		}
	})
}

// A crash between the burial of an event and its ack buries it once more, and makes
// no second letter.
func TestACrashAfterABurialMakesOneLetter(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(failing(newJournal(), eventbus.Permanent(errBoom), map[string]int{"1": 9}))
		source.ackErrs = []error{ErrGone}
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		source.end()
		next := r.member("mailer").open()
		next.feed(again(deliveries("a:1")...)...)
		pass(time.Second)
		require.Equal(r, []uint64{1}, next.acked())
		require.Equal(r, 2, r.letters.puts)
		require.Len(r, r.buried(), 1)
	})
}

// One whose source goes while its letter cannot be stored has used its attempts up. It
// is handled once more, which is its last attempt again and not one too many.
func TestNoAttemptTooManyWhileALetterIsNotStored(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(func(ctx context.Context, e eventbus.DomainEvent) error {
			d, _ := eventbus.DeliveryOf(ctx)
			j.add("%s attempt %d", e.ID, d.Attempt)
			return errBoom
		})
		r.letters.fail(-1)
		source.feed(deliveries("a:1")...)
		pass(3 * time.Second)
		source.end()
		synctest.Wait()
		r.letters.fail(0)
		next := r.member("mailer").open()
		next.feed(again(deliveries("a:1")...)...)
		pass(time.Minute)
		require.Equal(r, []string{"0s 1 attempt 1", "1s 1 attempt 2", "3s 1 attempt 3", "3s 1 attempt 3"}, j.all())
		require.Equal(r, []uint64{1}, next.acked())
		require.Len(r, r.buried(), 1)
		require.Equal(r, 3, r.buried()[0].Attempts)
		require.Empty(r, r.ledger.known())
	})
}

func TestAttemptsAreWrittenAtShutdownAndTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newRig(t, settings{})
		j := newJournal()
		_, source := first.on(failing(j, eventbus.RetryAfter(errBoom, time.Minute), map[string]int{"1": 9}))
		source.feed(deliveries("a:1", "a:2", "b:3")...)
		pass(90 * time.Second)
		require.Empty(t, first.ledger.known())
		require.NoError(t, first.Shutdown(t.Context()))
		require.Equal(t, map[string]Tries{"order/0/1": {Attempts: 2, First: j.began}}, first.ledger.known())
		require.Equal(t, []uint64{3}, source.acked())

		next := newRig(t, settings{ledger: first.ledger})
		_, source = next.on(failing(j, errBoom, map[string]int{"1": 9}))
		source.feed(again(deliveries("a:1", "a:2")...)...)
		pass(time.Minute)
		l := next.buried()[0]
		require.Equal(t, 3, l.Attempts)
		require.True(t, j.began.Equal(l.FirstFailure))
		require.Equal(t, []uint64{1, 2}, source.acked())
		require.Empty(t, next.ledger.known())
	})
}
