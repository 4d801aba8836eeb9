package engine

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestWhatASourceHadGoesWithIt(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.join(eventbus.Subscriber{Concurrency: 2, Handler: eventbus.HandlerFunc(
			func(ctx context.Context, e eventbus.DomainEvent) error {
				j.add("%s", e.ID)
				switch e.ID {
				case "waits":
					return eventbus.RetryAfter(errBoom, time.Minute)
				case "1", "2":
					<-ctx.Done()
					require.ErrorIs(r, context.Cause(ctx), eventbus.ErrInterrupted)
					rest(3 * time.Second)
					if e.ID == "1" {
						return ctx.Err()
					}
				}
				return nil
			})})
		next := r.member("mailer").open()
		source.feed(deliveries("w:waits", "w:behind", "a:1")...)
		synctest.Wait()
		source.feed(deliveries("b:2", "a:3", "c:ready")...)
		pass(time.Second)
		require.Equal(r, 6, r.stats().InFlight)
		source.end()
		synctest.Wait()
		require.Equal(r, 2, r.stats().InFlight, "only those whose handlers run are left")
		require.False(r, source.isClosed())
		next.feed(again(deliveries("a:1'", "d:new", "a:3'")...)...)
		pass(2 * time.Second)
		require.NotContains(r, fmt.Sprint(j.all()), "'", "the old handler has not returned")
		pass(2 * time.Second)
		require.True(r, source.isClosed(), "once nothing of it runs")
		require.ElementsMatch(r, []string{"0s waits", "0s 1", "0s 2", "4s 1'", "4s new", "4s 3'"}, j.all())
		pass(10 * time.Minute)
		require.Empty(r, source.acked())
		require.Equal(r, []uint64{1, 2, 3}, next.acked())
		st := r.stats()
		require.Equal(r, []uint64{1, 9, 3, 3}, []uint64{st.Reconnections, st.Received, st.Handled, st.Acked})
		require.Equal(r, uint64(4), st.Attempts, "an interrupted one is none")
		require.Len(r, saw(r.seen, &r.seen.reconnected), 1)
		require.Zero(r, st.InFlight+st.Running)
	})
}

// A handler that does not let go holds up the end of its source for a moment only,
// and the next delivery of its aggregate for as long as it runs.
func TestAGoneSourceIsClosedAfterAMoment(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(func(_ context.Context, e eventbus.DomainEvent) error {
			j.add("%s", e.ID)
			if e.ID == "1" {
				rest(20 * time.Second)
			}
			return nil
		})
		next := r.member("mailer").open()
		source.feed(deliveries("a:1", "a:2")...)
		synctest.Wait()
		source.end()
		next.feed(again(deliveries("a:1'", "b:3")...)...)
		pass(grace - time.Millisecond)
		require.False(r, source.isClosed())
		pass(time.Millisecond)
		require.True(r, source.isClosed())
		pass(time.Minute)
		require.Equal(r, "20s 1'", j.all()[len(j.all())-1])
		require.Equal(r, []uint64{1, 2}, next.acked())
		require.Zero(r, r.stats().InFlight+r.stats().Running)
	})
}

// A receiver that waits for room learns of the end from those who ack and keep.
func TestAFullWindowDoesNotHideThatTheSourceIsGone(t *testing.T) {
	for name, traits := range map[string]Traits{"ack": {Span: 3}, "keep": {Keep: 5 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{traits: traits, options: eventbus.Options{Window: 4}}, func(r *rig) {
				_, source := r.on(func(_ context.Context, e eventbus.DomainEvent) error {
					if e.ID == "2" && traits.Keep == 0 {
						rest(5 * time.Second)
						return nil
					}
					return eventbus.RetryAfter(errBoom, time.Minute)
				})
				source.feed(deliveries("a:1", "b:2", "c:3", "d:4", "e:5")...)
				pass(time.Second)
				source.end()
				pass(3 * time.Second)
				require.Equal(r, 4, r.stats().InFlight)
				pass(2 * time.Second)
				require.Zero(r, r.stats().InFlight)
				require.Contains(r, r.fake.wrote(), "source0 closed")
			})
		})
	}
}

func TestALostSourceThatIsBackIsTold(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(succeed)
		pass(time.Second)
		source.end()
		pass(time.Second)
		require.Empty(r, saw(r.seen, &r.seen.reconnected))
		r.member("mailer").errs <- errBoom
		r.member("mailer").errs <- errBoom
		pass(8 * time.Second)
		r.member("mailer").open()
		synctest.Wait()
		all := saw(r.seen, &r.seen.reconnected)
		require.Len(r, all, 1)
		require.Equal(r, []any{"default", "mailer", 9 * time.Second}, []any{all[0].Group, all[0].Subscriber, all[0].Down})
		require.ErrorIs(r, all[0].Err, ErrGone)
		require.Equal(r, 3, all[0].Tries)
		require.Equal(r, uint64(1), r.stats().Reconnections)
		require.Contains(r, r.log.String(), `msg="eventbus: cannot look for sources of events" error=boom`)
		r.member("mailer").open()
		synctest.Wait()
		require.Len(r, saw(r.seen, &r.seen.reconnected), 1, "one source more is no reconnection")
	})
}

func TestASourceThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.on(succeed)
		pass(time.Second)
		source.fail(errBoom, errBoom, errBoom, errBoom)
		source.feed(deliveries("a:1")...)
		pass(10 * time.Second)
		require.Equal(r, []uint64{1}, source.acked())
		all := saw(r.seen, &r.seen.reconnected)
		require.Len(r, all, 1)
		require.Equal(r, 4, all[0].Tries)
		require.Greater(r, all[0].Down, 100*time.Millisecond)
		require.ErrorIs(r, all[0].Err, errBoom)
		require.Equal(r, uint64(1), r.stats().Reconnections)
		require.Contains(r, r.log.String(), "cannot receive")
		asked := len(source.asked)
		pass(time.Hour)
		require.Len(r, source.asked, asked, "and an idle one is not asked in a loop")
	})
}

// What an event was tried stands in the ledger when its source goes, so that no
// flapping connection makes its retries endless.
func TestAttemptsOutliveTheirSource(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(func(ctx context.Context, e eventbus.DomainEvent) error {
			d, _ := eventbus.DeliveryOf(ctx)
			j.add("%s %d", e.ID, d.Attempt)
			if e.ID == "2" && d.Attempt == 2 && time.Since(j.began) < 11*time.Second {
				<-ctx.Done() // its earlier attempt counts, this one does not
				return ctx.Err()
			}
			return eventbus.RetryAfter(errBoom, 10*time.Second)
		})
		source.feed(deliveries("a:1", "b:2")...)
		pass(5 * time.Second)
		source.feed(deliveries("c:3")...)
		pass(6 * time.Second)
		require.Empty(r, r.ledger.known())
		first := j.began
		source.end()
		synctest.Wait()
		require.Equal(r, map[string]Tries{
			"order/0/1": {Attempts: 2, First: first}, "order/0/2": {Attempts: 1, First: first},
			"order/0/3": {Attempts: 1, First: first.Add(5 * time.Second)},
		}, r.ledger.known())
		next := r.member("mailer").open()
		next.feed(again(deliveries("a:1", "b:2", "c:3")...)...)
		pass(time.Second)
		require.Equal(r, []uint64{1}, next.acked())
		require.Contains(r, j.all(), "11s 1 3")
		require.Contains(r, j.all(), "11s 3 2")
		pass(time.Minute)
		require.Equal(r, []uint64{1, 2, 3}, next.acked())
		for _, l := range r.buried() {
			require.Equal(r, 3, l.Attempts)
		}
	})
}

// However long a backend was away, the bus works again within 5 s of its return.
func TestABackendIsAskedAgainWithinFiveSeconds(t *testing.T) {
	for failures := range 100 {
		require.LessOrEqual(t, backoff.Delay(failures, 1), 4900*time.Millisecond)
	}
}
