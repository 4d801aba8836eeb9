package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// alone is a handler that takes a second and writes down what runs beside it, and
// what the ledger says meanwhile.
func alone(r *rig, j *journal) eventbus.HandlerFunc {
	return func(_ context.Context, e eventbus.DomainEvent) error {
		r.Helper()
		rest(time.Second / 2)
		st, err := r.Stats(context.WithoutCancel(r.Context()))
		require.NoError(r, err)
		j.add("%s of %d, suspect %v", e.ID, st.Subscribers[0].Running, r.ledger.suspects())
		rest(time.Second / 2)
		return nil
	}
}

func TestACarefulStartRunsRedeliveredOnesAlone(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(alone(r, j))
		batch := again(deliveries("a:1", "b:2", "a:3", "c:fresh", "d:5")...)
		batch[3].Redelivered = 0
		source.feed(batch...)
		synctest.Wait()
		source.feed(deliveries("e:6", "f:7", "g:8")...)
		pass(100 * time.Millisecond)
		require.Equal(r, 5, r.stats().InFlight, "and the feed is closed meanwhile")
		pass(time.Minute)
		lines := j.all()
		require.Equal(r, []string{
			"500ms 1 of 1, suspect [order/0/1]", "1.5s 2 of 1, suspect [order/0/2]",
		}, lines[:2])
		for _, line := range lines[2:5] {
			require.Regexp(r, `^[234].5s (3|fresh|5) of 1, suspect \[order/0/[345]\]$`, line, "one at a time")
		}
		require.ElementsMatch(r, []string{"5.5s 6 of 3, suspect []", "5.5s 7 of 3, suspect []", "5.5s 8 of 3, suspect []"}, lines[5:],
			"the first fresh one opens the window")
		require.Len(r, source.acked(), 8)
		require.Empty(r, r.ledger.known(), "what was settled is forgotten")
	})
}

func TestAFreshStartIsNotCareful(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(alone(r, j))
		source.feed(deliveries("a:1")[0], again(deliveries("b:2")...)[0])
		source.feed(again(deliveries("c:3", "d:4")...)...)
		pass(time.Minute)
		require.Len(r, j.all(), 4)
		for _, line := range j.all() {
			require.Contains(r, line, "of 4, suspect []")
		}
		require.Empty(r, r.ledger.saves)
	})
}

func TestACarefulEventThatWaitsForItsRetryHoldsUpNobody(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(failing(j, eventbus.RetryAfter(errBoom, time.Minute), map[string]int{"1": 1}))
		source.feed(again(deliveries("a:1", "a:2", "b:3")...)...)
		synctest.Wait()
		require.Equal(r, []string{"0s 1", "0s 3"}, j.all())
		require.Empty(r, r.ledger.suspects(), "while it waits it is no suspect")
		source.feed(many(10, 50)...)
		pass(time.Second)
		require.Len(r, source.acked(), 51, "fresh ones are received and handled")
		pass(2 * time.Minute)
		require.Len(r, source.acked(), 53)
		require.Empty(r, r.ledger.known())
	})
}

// While the suspect waits for nothing but its turn, the next ones are not received.
func TestACarefulFeedReceivesNothingBeforeAllHaveRun(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		gate, open := r.gate()
		_, source := r.join(eventbus.Subscriber{Timeout: time.Hour, Handler: eventbus.HandlerFunc(
			func(context.Context, eventbus.DomainEvent) error { <-gate; return nil })})
		source.feed(again(deliveries("a:1", "b:2")...)...)
		synctest.Wait()
		source.feed(deliveries("c:3")...)
		pass(time.Minute)
		require.Equal(r, 1, source.left())
		require.Equal(r, 1, r.stats().Running)
		require.Zero(r, r.stats().WindowFullSince, "which is not for want of room")
		open()
		synctest.Wait()
		require.Equal(r, []uint64{1, 2, 3}, source.acked())
	})
}

func TestALedgerThatFailsStopsNothing(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.ledger.failed = errBoom
		_, source := r.on(succeed)
		source.feed(again(deliveries("a:1", "b:2")...)...)
		pass(time.Minute)
		require.Equal(r, []uint64{1, 2}, source.acked())
		require.Contains(r, r.log.String(), "the ledger of attempts cannot be read")
		require.Contains(r, r.log.String(), "the ledger of attempts cannot be written")
	})
}

func TestASlowLedgerMakesNoHandlerStuck(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.ledger.took = time.Minute
		_, source := r.join(eventbus.Subscriber{Timeout: 10 * time.Second, Handler: eventbus.HandlerFunc(
			func(ctx context.Context, _ eventbus.DomainEvent) error {
				until, _ := ctx.Deadline()
				require.Equal(r, 10*time.Second, time.Until(until), "its time begins when it is called")
				rest(9 * time.Second)
				require.NoError(r, ctx.Err())
				return nil
			})})
		source.feed(again(deliveries("a:1", "b:2")...)...)
		pass(10 * time.Minute)
		require.Equal(r, []uint64{1, 2}, source.acked())
		require.Zero(r, r.stats().Stuck)
		require.Equal(r, uint64(2), r.stats().Handled)
		require.Equal(r, 9*time.Second, saw(r.seen, &r.seen.handled)[0].Took)
	})
}

func TestWithoutALedgerRedeliveredOnesStillRunAlone(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.Bus.backend.Ledger = nil
		j := newJournal()
		_, source := r.on(alone(r, j))
		source.feed(again(deliveries("a:1", "b:2")...)...)
		pass(time.Minute)
		require.Equal(r, []string{"500ms 1 of 1, suspect []", "1.5s 2 of 1, suspect []"}, j.all())
		require.Equal(r, []uint64{1, 2}, source.acked())
	})
}
