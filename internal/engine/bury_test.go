package engine

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

type cancelled struct{}

func (cancelled) EventType() string { return "order.cancelled" }

func TestATypeWithoutACaseIsBuriedOrSkipped(t *testing.T) {
	for mode, want := range map[eventbus.Unmatched][]uint64{eventbus.BuryUnmatched: {1, 0}, eventbus.SkipUnmatched: {0, 1}} {
		virtual(t, settings{}, func(r *rig) {
			take := eventbus.On(func(context.Context, eventbus.Event[cancelled]) error { return nil })
			_, source := r.join(eventbus.Subscriber{Handler: take, Events: []string{"order.*"}, Unmatched: mode})
			source.feed(deliver(eventbus.New("a", cancelled{})), deliveries("a:2")[0])
			synctest.Wait()
			require.Equal(r, []uint64{1, 2}, source.acked())
			st := r.stats()
			require.Equal(r, want, []uint64{st.Buried, st.Skipped})
			require.Len(r, r.buried(), int(want[0]))
			require.Len(r, saw(r.seen, &r.seen.skipped), int(want[1]))
			for _, l := range r.buried() {
				require.Equal(r, dlq.UnknownType, l.Reason)
			}
		})
	}
}

// A transport that cannot select hands over what is not the subscriber's business.
func TestWhatNoPatternSelectsIsSkipped(t *testing.T) {
	for name, c := range map[string]struct {
		traits Traits
		change func(d *Delivery)
		ran    bool
	}{
		"not routed":          {Traits{}, func(*Delivery) {}, false},
		"routed":              {Traits{Routed: true}, func(*Delivery) {}, true},
		"routed, without one": {Traits{Routed: true}, func(d *Delivery) { d.Type = "" }, false},
		"sent to the group":   {Traits{}, func(d *Delivery) { d.To.Group = "default.mailer" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{traits: c.traits}, func(r *rig) {
				ran := false
				_, source := r.join(eventbus.Subscriber{Events: []string{"user.*", "*.cancelled"}, Handler: eventbus.HandlerFunc(
					func(context.Context, eventbus.DomainEvent) error { ran = true; return nil })})
				d := deliveries("a:1")[0]
				c.change(d)
				source.feed(d)
				synctest.Wait()
				require.Equal(r, c.ran, ran)
				require.Equal(r, []uint64{1}, source.acked())
				require.Equal(r, c.ran, r.stats().Skipped == 0)
				require.Equal(r, c.ran, len(saw(r.seen, &r.seen.skipped)) == 0, "what is counted is told")
				require.Zero(r, r.stats().Buried)
			})
		})
	}
}

func TestWhatCannotBeReadIsBuriedAtOnceWithItsBytes(t *testing.T) {
	tooLarge := fmt.Errorf("record: %w", &eventbus.TooLargeError{Size: 2, Limit: 1})
	for name, c := range map[string]struct {
		change func(d *Delivery)
		reason dlq.Reason
	}{
		"no type":    {func(d *Delivery) { d.Header = d.Header[3:] }, dlq.Undecodable},
		"bad JSON":   {func(d *Delivery) { d.Body = []byte("{\xff") }, dlq.Undecodable},
		"unreadable": {func(d *Delivery) { d.Err = errBoom }, dlq.Undecodable},
		"too large":  {func(d *Delivery) { d.Err = tooLarge }, dlq.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings{}, func(r *rig) {
				_, source := r.on(func(context.Context, eventbus.DomainEvent) error { panic("never called") })
				d := deliveries("a:1")[0]
				c.change(d)
				source.feed(d)
				synctest.Wait()
				require.Equal(r, []uint64{1}, source.acked())
				l := r.buried()[0]
				require.Equal(r, c.reason, l.Reason)
				require.Equal(r, d.Body, l.Body)
				require.Len(r, l.Headers, len(d.Header))
				require.Equal(r, []any{"", 0, "order"}, []any{l.EventID, l.Attempts, l.Topic})
				require.NotZero(r, l.FirstFailure)
				require.Zero(r, r.stats().Attempts)
			})
		})
	}
}

func TestAnExpiredEventIsNotHandled(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(failing(j, eventbus.RetryAfter(errBoom, 10*time.Second), map[string]int{"1": 9, "2": 9}))
		in5s := order("a", "1").WithExpiry(time.Now().Add(5 * time.Second))
		source.feed(deliver(in5s), deliver(order("b", "2").WithExpiry(time.Now())))
		pass(time.Minute)
		require.Equal(r, []string{"0s 1"}, j.all(), "nor is one whose time has come while it waited")
		require.Equal(r, []uint64{1, 2}, source.acked())
		for _, l := range r.buried() {
			require.Equal(r, dlq.Expired, l.Reason)
			require.Contains(r, l.Errors[0], "the event expired at 2000-01-01T00:00:0")
		}
		require.Len(r, r.buried(), 2)
	})
}

func TestDropLettersAcksAndTells(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{DeadLetters: eventbus.DropLetters}}, func(r *rig) {
		_, source := r.on(failing(newJournal(), eventbus.Permanent(errBoom), map[string]int{"1": 9}))
		source.feed(deliveries("a:1", "a:2")...)
		synctest.Wait()
		require.Equal(r, []uint64{1, 2}, source.acked())
		require.Zero(r, r.letters.puts)
		require.Equal(r, uint64(1), r.stats().Buried)
		b := saw(r.seen, &r.seen.buried)[0]
		require.Equal(r, []any{"", "handler error", 1, "1"}, []any{b.LetterID, b.Reason, b.Attempts, b.Event.ID})
		require.Contains(r, r.log.String(), "an event was dropped")
	})
}

func TestBlockLettersTriesForEver(t *testing.T) {
	virtual(t, settings{options: eventbus.Options{DeadLetters: eventbus.BlockLetters}}, func(r *rig) {
		j := newJournal()
		_, source := r.on(failing(j, errBoom, map[string]int{"1": 6, "2": 99}))
		expired := deliver(order("c", "9").WithExpiry(time.Now()))
		source.feed(append(deliveries("a:1", "a:3", "b:2"), expired)...)
		pass(3 * time.Minute)
		require.Subset(r, j.all(), []string{"0s 1", "1s 1", "3s 1", "33s 1", "1m3s 1", "1m33s 1", "2m3s 1", "2m3s 3"})
		require.Equal(r, []uint64{1, 2}, source.acked())
		require.Zero(r, r.letters.puts)
		require.Zero(r, r.stats().Buried)
		require.Equal(r, 2, r.stats().InFlight)
	})
}

// The facts of earlier deliveries count.
func TestAttemptsOfEarlierDeliveriesCount(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		j := newJournal()
		_, source := r.on(failing(j, errBoom, map[string]int{"1": 9}))
		d := deliveries("a:1")[0]
		first := time.Now().Add(-time.Hour)
		d.Header = wire.Facts{Attempts: 2, First: first, Origin: "elsewhere/3", Replays: 1, Crashes: 4}.Append(d.Header)
		source.feed(d)
		pass(time.Minute)
		require.Equal(r, []string{"0s 1"}, j.all())
		l := r.buried()[0]
		require.Equal(r, []any{3, 4, 1, "elsewhere/3"}, []any{l.Attempts, l.Crashes, l.Replays, l.Origin})
		require.True(r, first.Equal(l.FirstFailure))
		require.Equal(r, j.began, l.LastFailure)
		require.Equal(r, dlq.NewID("default", "mailer", "1", "elsewhere/3", 1), l.ID)
	})
}
