package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// failing is a handler that fails for the IDs given, as often as they say, and
// writes down when it is called.
func failing(j *journal, err error, times map[string]int) eventbus.HandlerFunc {
	return func(_ context.Context, e eventbus.DomainEvent) error {
		j.add("%s", e.ID)
		j.mu.Lock()
		defer j.mu.Unlock()
		if times[e.ID]--; times[e.ID] >= 0 {
			return err
		}
		return nil
	}
}

func TestRetriesWaitAsThePolicySays(t *testing.T) {
	p := eventbus.RetryPolicy{Attempts: 5, Min: time.Second, Max: 3 * time.Second, Multiplier: 2, Jitter: -1}
	virtual(t, settings{options: eventbus.Options{Retry: p}}, func(r *rig) {
		j := newJournal()
		_, source := r.on(failing(j, errBoom, map[string]int{"1": 9, "4": 1}))
		source.feed(deliveries("a:1", "a:2", "b:3", "c:4")...)
		pass(time.Minute)
		require.ElementsMatch(r, []string{"0s 1", "1s 1", "3s 1", "6s 1", "9s 1", "9s 2", "0s 3", "0s 4", "1s 4"}, j.all(),
			"later events of the aggregate wait behind it, others go on")
		require.Equal(r, []uint64{1, 2, 3, 4}, source.acked())
		var told []string
		for _, x := range saw(r.seen, &r.seen.retried) {
			require.Equal(r, "default mailer", x.Group+" "+x.Subscriber)
			require.ErrorIs(r, x.Err, errBoom)
			told = append(told, fmt.Sprint(x.Event.ID, " ", x.Attempt, " ", x.Delay))
		}
		require.ElementsMatch(r, []string{"1 1 1s", "1 2 2s", "1 3 3s", "1 4 3s", "4 1 1s"}, told)
		require.Equal(r, uint64(5), r.stats().Retried)
	})
}

func TestTheErrorSteersTheDelivery(t *testing.T) {
	undecodable := fmt.Errorf("%w: no", eventbus.ErrUndecodable)
	for name, c := range map[string]struct {
		err    error
		calls  []string
		reason dlq.Reason
	}{
		"plain":       {errBoom, []string{"0s 1", "1s 1", "3s 1"}, dlq.HandlerError},
		"permanent":   {eventbus.Permanent(errBoom), []string{"0s 1"}, dlq.HandlerError},
		"wrapped":     {fmt.Errorf("in here: %w", eventbus.Permanent(errBoom)), []string{"0s 1"}, dlq.HandlerError},
		"later":       {eventbus.RetryAfter(errBoom, 7*time.Second), []string{"0s 1", "7s 1", "14s 1"}, dlq.HandlerError},
		"at once":     {eventbus.RetryAfter(errBoom, -1), []string{"0s 1", "0s 1", "0s 1"}, dlq.HandlerError},
		"undecodable": {undecodable, []string{"0s 1"}, dlq.Undecodable},
		"no case":     {eventbus.ErrUnknownType, []string{"0s 1"}, dlq.UnknownType},
		"joined":      {errors.Join(errBoom, eventbus.Permanent(io())), []string{"0s 1"}, dlq.HandlerError},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				j := newJournal()
				_, source := r.on(failing(j, c.err, map[string]int{"1": 9}))
				source.feed(deliveries("a:1")...)
				pass(time.Minute)
				require.Equal(r, c.calls, j.all())
				require.Equal(r, []uint64{1}, source.acked())
				require.Len(r, r.buried(), 1)
				require.Equal(r, c.reason, r.buried()[0].Reason)
				require.Equal(r, len(c.calls), r.buried()[0].Attempts)
			})
		})
	}
}

func io() error { return errors.New("io") }

func TestHoldBoundsTheWaitInALane(t *testing.T) {
	o := eventbus.Options{Hold: 10 * time.Second, Retry: eventbus.RetryPolicy{Attempts: 9, Min: time.Second, Max: time.Second, Jitter: -1}}
	virtual(t, settings{options: o}, func(r *rig) {
		j := newJournal()
		_, source := r.on(failing(j, eventbus.RetryAfter(errBoom, 6*time.Second), map[string]int{"1": 99}))
		source.feed(deliveries("a:1", "a:2")...)
		pass(time.Minute)
		require.Equal(r, []string{"0s 1", "6s 1", "10s 1", "10s 2"}, j.all())
		var told []string
		for _, x := range saw(r.seen, &r.seen.retried) {
			told = append(told, fmt.Sprint(x.Delay, " ", x.Clamped))
		}
		require.Equal(r, []string{"6s false", "4s true"}, told)
		l := r.buried()[0]
		require.Equal(r, 3, l.Attempts)
		require.Equal(r, dlq.HandlerError, l.Reason)
		require.Contains(r, l.Errors[0], "given up before its last attempt, since it was held for Options.Hold, 10s")
		require.Contains(r, l.Errors, "boom")
		require.Equal(r, []uint64{1, 2}, source.acked())
	})
}

func TestAnUnorderedSubscriberSendsTheEventToItsGroupAgain(t *testing.T) {
	for _, reference := range []bool{false, true} {
		virtual(t, settings{traits: Traits{Reference: reference, Immediate: reference}}, func(r *rig) {
			j := newJournal()
			_, source := r.join(eventbus.Subscriber{Unordered: true, Handler: failing(j, eventbus.RetryAfter(errBoom, time.Hour), map[string]int{"1": 9})})
			r.fake.answer(takes(time.Second, fails(eventbus.ErrRefused)))
			ds := deliveries("a:1", "a:2")
			if reference {
				e := order("a", "1")
				ds[0].Event, ds[0].Header, ds[0].Body = &e, nil, nil
			}
			source.feed(ds...)
			pass(500 * time.Millisecond)
			require.Equal(r, []uint64{2}, source.acked(), "later events pass it")
			pass(time.Minute)
			require.Equal(r, []uint64{1, 2}, source.acked())
			sent := r.fake.sent()
			require.Len(r, sent, 2)
			m := sent[1].ms[0]
			require.Equal(r, Address{Topic: "order", Group: "default.mailer"}, m.To)
			require.Equal(r, []any{"a", "order.created", true}, []any{m.Key, m.Type, m.Beyond})
			require.Equal(r, time.Hour, m.NotBefore.Sub(j.began), "Options.Hold does not bound it")
			facts := wire.ReadFacts(m.Header)
			require.Equal(r, wire.Facts{Attempts: 1, First: j.began.UTC(), Origin: "order/0/1"}, facts)
			require.Equal(r, ds[0].Body, m.Body)
			require.Equal(r, ds[0].Event == nil, m.Event == nil)
			require.Equal(r, "order/0/1", ds[0].Origin.String())
			require.True(r, strings.HasPrefix(saw(r.seen, &r.seen.retried)[0].Delay.String(), "1h"))

			back := &Delivery{Message: m, Origin: Origin{Topic: "retries", N: 9}}
			source.feed(back)
			pass(time.Minute)
			m = r.fake.sent()[2].ms[0]
			facts.Attempts = 2
			require.Equal(r, facts, wire.ReadFacts(m.Header), "once each, and the origin is the first one")
			require.Len(r, m.Header, len(back.Header))
			source.feed(&Delivery{Message: m, Origin: Origin{Topic: "retries", N: 10}})
			pass(time.Minute)
			require.ElementsMatch(r, []string{"0s 1", "0s 2"}, j.all()[:2])
			require.Len(r, j.all(), 4)
			l := r.buried()[0]
			require.Equal(r, []any{3, "order/0/1", j.began}, []any{l.Attempts, l.Origin, l.FirstFailure.Local()})
			st := r.stats()
			require.Equal(r, []uint64{4, 2, 1, 1}, []uint64{st.Acked, st.Moved, st.Handled, st.Buried})
		})
	}
}

// The old place is given up only once the new one is confirmed.
func TestAMoveIsStoredBeforeItsEventIsAcked(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		_, source := r.join(eventbus.Subscriber{Unordered: true, Handler: failing(newJournal(), errBoom, map[string]int{"1": 9})})
		r.fake.otherwise = takes(5*time.Second, func(context.Context, []Message) []error {
			r.fake.note("stored")
			return nil
		})
		source.feed(deliveries("a:1")...)
		pass(time.Minute)
		require.Equal(r, []string{"stored", "source0 acked 1"}, r.fake.wrote())
	})
}
