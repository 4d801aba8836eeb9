package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

func TestWithoutALetterTheEventStaysInItsLane(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		r.letters.fail(-1)
		_, source := r.on(failing(j, eventbus.Permanent(errBoom), map[string]int{"1": 1}))
		source.feed(deliveries("a:1", "a:2", "b:3")...)
		pass(time.Minute)
		require.Equal(r, []uint64{3}, source.acked(), "others go on")
		require.ElementsMatch(r, []string{"0s 1", "0s 3"}, j.all(), "the handler is not called again")
		require.Greater(r, r.letters.puts, 10)
		require.Less(r, r.letters.puts, 30, "it pauses in between")
		require.ErrorContains(r, r.Health(r.Context()), "default.mailer: a dead letter cannot be stored: store is down")
		require.Zero(r, r.stats().Buried)
		require.Zero(r, goroutines("work"))

		r.letters.fail(0)
		pass(10 * time.Second)
		require.Equal(r, []uint64{1, 2, 3}, source.acked())
		require.Len(r, r.buried(), 1)
		require.Equal(r, j.began, r.buried()[0].BuriedAt, "the letter is that of the failure")
		require.NoError(r, r.Health(r.Context()))
		st := r.stats()
		require.Equal(r, []uint64{3, 1, 2, 1}, []uint64{st.Attempts, st.Failed, st.Handled, st.Buried})
		require.Len(r, saw(r.seen, &r.seen.buried), 1)
	})
}

func TestFullLettersAreTold(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.letters.err = fmt.Errorf("%w: 10 letters", dlq.ErrFull)
		r.letters.fail(5)
		_, source := r.on(failing(newJournal(), eventbus.Permanent(errBoom), map[string]int{"1": 1}))
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		require.ErrorContains(r, r.Health(r.Context()), "the dead letters are full: replay, discard or purge some")
		pass(time.Minute)
		require.Equal(r, 6, r.letters.puts)
		require.NoError(r, r.Health(r.Context()))
	})
}

func TestAMoveThatFailsKeepsTheEvent(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		r.fake.always(fails(eventbus.ErrRefused))
		_, source := r.join(eventbus.Subscriber{Unordered: true, Handler: failing(j, errBoom, map[string]int{"1": 9})})
		source.feed(deliveries("a:1", "a:2")...)
		pass(time.Minute)
		require.Equal(r, []uint64{2}, source.acked())
		require.ElementsMatch(r, []string{"0s 1", "0s 2"}, j.all())
		require.ErrorContains(r, r.Health(r.Context()), "an event cannot be sent to its group again: refused")
		r.fake.always(nil)
		pass(10 * time.Second)
		require.Equal(r, []uint64{1, 2}, source.acked())
		require.NoError(r, r.Health(r.Context()))
		st := r.stats()
		require.Equal(r, []uint64{2, 1, 1}, []uint64{st.Attempts, st.Retried, st.Moved})
	})
}

// What was in trouble and is no longer here is no trouble of this process.
func TestTroubleEndsWithItsEvent(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.letters.fail(1)
		_, source := r.on(failing(newJournal(), eventbus.Permanent(errBoom), map[string]int{"1": 1}))
		source.feed(deliveries("a:1")...)
		synctest.Wait()
		require.Error(r, r.Health(r.Context()))
		source.end()
		synctest.Wait()
		require.Zero(r, r.stats().InFlight)
		require.NoError(r, r.Health(r.Context()))
	})
}

func TestHealthAsksTheBackend(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.join(eventbus.Subscriber{Handler: failing(newJournal(), nil, nil)})
		require.NoError(r, r.Health(r.Context()))
		r.Bus.backend.Transport = &gauging{fake: r.fake, err: errBoom}
		require.ErrorIs(r, r.Health(r.Context()), errBoom)
		_, err := r.Stats(r.Context())
		require.ErrorIs(r, err, errBoom)
		r.Bus.backend.Transport = &gauging{fake: r.fake}
		st, err := r.Stats(r.Context())
		require.NoError(r, err)
		require.Equal(r, uint64(7), st.BeyondBound)
		require.Equal(r, 42, st.Subscribers[0].Waiting)
		require.NoError(r, r.Shutdown(r.Context()))
		require.ErrorIs(r, r.Health(r.Context()), eventbus.ErrClosed)
	})
}

// What a member cannot do while it has its sources is to be seen too, until it can.
func TestHealthTellsWhileAMemberIsInTrouble(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.join(eventbus.Subscriber{Handler: failing(newJournal(), nil, nil)})
		pass(time.Second)
		m := r.member("mailer")
		m.errs <- errBoom
		pass(5 * time.Second)
		require.EqualError(r, r.Health(r.Context()), "eventbus: health: default.mailer: cannot look for sources of events, for 5s: boom")
		m.errs <- nil
		pass(time.Second)
		require.NoError(r, r.Health(r.Context()))
		require.Equal(r, uint64(1), r.stats().Reconnections)
	})
}

// gauging is a transport that knows what waits.
type gauging struct {
	*fake
	err error
}

func (g *gauging) Gauge(context.Context) (Gauges, error) {
	return Gauges{Waiting: map[string]int{"default.mailer": 42}, BeyondBound: 7}, g.err
}

// A server that goes away, comes back, and does not let us in: both are said, whatever the port.
func TestANoticeWithAnotherCauseIsNotLeftOut(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		r.on(failing(newJournal(), nil, nil))
		m := r.member("mailer")
		for port := range 8 { // a second apart
			cause := context.DeadlineExceeded
			if port >= 4 {
				cause = errBoom
			}
			m.errs <- fmt.Errorf("port %d: %w: %w", port, eventbus.ErrRefused, cause)
			pass(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
		require.Len(r, lines, 2, r.log.String())
		require.Contains(r, lines[0], "port 0")
		require.Contains(r, lines[1], "port 4")
		require.Contains(r, lines[1], "omitted=3")
	})
}

func TestNoticesAreFewAndHoldNoPayload(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{DeadLetters: eventbus.DropLetters}}, func(r *rig) {
		_, source := r.on(failing(newJournal(), nil, nil))
		for i := range 100 {
			bad := deliveries(fmt.Sprint("a:", i))[0]
			bad.Body = []byte(`{"secret":"4711",}`)
			source.feed(bad)
			pass(250 * time.Millisecond)
		}
		source.fail(errBoom, errBoom, errBoom)
		pass(time.Minute)
		lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
		require.Len(r, lines, 4, r.log.String())
		require.NotContains(r, r.log.String(), "4711")
		require.Contains(r, lines[1], "omitted=39")
		require.Contains(r, lines[2], "an event was dropped")
		require.Contains(r, lines[3], `msg="eventbus: cannot receive" error=boom group=default.mailer`)
	})
}
