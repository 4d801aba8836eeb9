package memory_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

// Whatever goes wrong in one handler: the others run, Publish knows nothing of it, and
// it is one letter and one line of the log.
func TestAnInlineFailureIsIsolatedLoggedOnceAndALetter(t *testing.T) {
	boom := errors.New("no money")
	for name, c := range map[string]struct {
		fail   func() error
		reason dlq.Reason
	}{
		"error":        {func() error { return boom }, dlq.HandlerError},
		"permanent":    {func() error { return eventbus.Permanent(boom) }, dlq.HandlerError},
		"retry after":  {func() error { return eventbus.RetryAfter(boom, time.Hour) }, dlq.HandlerError},
		"suspend":      {func() error { return eventbus.Suspend(boom, time.Hour) }, dlq.HandlerError},
		"nil error":    {func() error { return (*nilError)(nil) }, dlq.Panic},
		"panic":        {func() error { panic(boom) }, dlq.Panic},
		"evil panic":   {func() error { panic(evil{}) }, dlq.Panic},
		"unknown type": {func() error { return eventbus.ErrUnknownType }, dlq.UnknownType},
		"undecodable":  {func() error { return eventbus.ErrUndecodable }, dlq.Undecodable},
	} {
		for _, mode := range []memory.Mode{memory.Inline, memory.InlineTogether, memory.Manual} {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				s := started(t, memory.Options{Mode: mode})
				s.on("before", s.note("before", nil))
				s.on("bad", func(context.Context, eventbus.DomainEvent) error { return c.fail() })
				s.on("after", s.note("after", nil))
				s.publish(payment(1))
				if mode == memory.Manual {
					n, err := s.Drain(t.Context(), 10)
					require.NoError(t, err)
					require.Equal(t, 1, n)
				}
				require.ElementsMatch(t, []string{"before order-1", "after order-1"}, s.seen())
				ls := s.letters()
				require.Len(t, ls, 1)
				require.Equal(t, c.reason, ls[0].Reason)
				require.Equal(t, "bad", ls[0].Subscriber)
				require.Equal(t, 1, ls[0].Attempts)
				require.Equal(t, paid{1}, ls[0].Event.Value())
				require.NotEmpty(t, ls[0].Errors)
				require.Len(t, s.log.lines(), 1)
				for _, part := range []string{"level=ERROR", "event_type=order.paid", "subscriber=bad", "dead letter"} {
					require.Contains(t, s.log.lines()[0], part)
				}
				st := s.stats("bad")
				require.Equal(t, []uint64{1, 1, 1, 0, 0}, []uint64{st.Attempts, st.Failed, st.Buried, st.Handled, st.Retried})
			})
		}
	}
}

func TestAHandlerThatPublishesWhatItHandlesEnds(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	calls := 0
	var refusal error
	s.on("loop", func(ctx context.Context, _ eventbus.DomainEvent) error {
		calls++
		err := s.Publish(ctx, payment(1))
		if err != nil {
			refusal = err
		}
		return nil
	})
	s.publish(payment(1))
	require.Equal(t, 10_000, calls)
	require.ErrorIs(t, refusal, eventbus.ErrRefused)
	st, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), st.Refused)
	require.ErrorContains(t, refusal, "publishes, directly or through others, the event that it handles")
	require.NoError(t, s.Shutdown(t.Context()))
}

func TestAnInlineTimeOutThatWasAskedForEndsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline})
		_, err := s.Subscribe(t.Context(), eventbus.Subscriber{
			Name: "slow", Events: []string{"#"}, Timeout: 3 * time.Second,
			Handler: eventbus.HandlerFunc(func(ctx context.Context, _ eventbus.DomainEvent) error {
				d, ok := eventbus.DeliveryOf(ctx)
				require.True(t, ok)
				require.Equal(t, eventbus.Delivery{Group: "default", Subscriber: "slow", Attempt: 1}, d)
				until, ok := ctx.Deadline()
				require.True(t, ok)
				require.Equal(t, time.Now().Add(3*time.Second), until)
				<-ctx.Done()
				require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
				return ctx.Err()
			}),
		})
		require.NoError(t, err)
		began := time.Now()
		s.publish(payment(1))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, dlq.Timeout, s.letters()[0].Reason)
	})
}

func TestInlineTellsTheObserver(t *testing.T) {
	for name, harm := range map[string]func(){"quiet": func() {}, "panicking": func() { panic("observer") }} {
		t.Run(name, func(t *testing.T) {
			var told []string
			tell := func(what string) { told = append(told, what); harm() }
			s := started(t, memory.Options{Mode: memory.Inline, Options: eventbus.Options{Observer: eventbus.Observer{
				Published: func(p eventbus.Published) { told = append(told, "published "+p.Event.AggregateID) },
				Handled:   func(h eventbus.Handled) { tell(fmt.Sprint("handled ", h.Subscriber, " ", h.Attempt, " ", h.Err)) },
				Buried:    func(b eventbus.Buried) { tell("buried " + b.Subscriber + " " + b.Reason) },
			}}})
			s.on("good", s.note("good", nil))
			s.on("bad", s.note("bad", errors.New("no")))
			s.publish(payment(1))
			require.Equal(t, []string{"handled good 1 <nil>", "handled bad 1 no", "buried bad handler error", "published order-1"}, told)
			require.Len(t, s.letters(), 1)
		})
	}
}

func TestALetterThatCannotBeStoredIsLoggedAndTroublesHealth(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline, MaxLetters: 1})
	s.on("bad", func(context.Context, eventbus.DomainEvent) error { return errors.New("no") })
	s.publish(payment(1))
	require.NoError(t, s.Health(t.Context()))
	s.publish(payment(2))
	require.ErrorIs(t, s.Health(t.Context()), dlq.ErrFull)
	require.Contains(t, s.log.lines()[1], "lost: its dead letter cannot be stored")
	require.Equal(t, uint64(2), s.stats("bad").Buried)

	require.ErrorIs(t, s.DeadLetters().ReplayOne(t.Context(), s.letters()[0].ID, dlq.ReplayOptions{}), dlq.ErrFull)
	require.Len(t, s.letters(), 1, "a replay that finds no place for its failure keeps the letter")
}

func TestAnObserverThatEndsTheGoroutineChangesNothing(t *testing.T) {
	for name, o := range map[string]eventbus.Observer{
		"handled": {Handled: func(eventbus.Handled) { runtime.Goexit() }},
		"buried":  {Buried: func(eventbus.Buried) { runtime.Goexit() }},
		"skipped": {Skipped: func(eventbus.Skipped) { runtime.Goexit() }},
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, memory.Options{Mode: memory.Inline, Options: eventbus.Options{Observer: o}})
			sub, err := s.Subscribe(t.Context(), eventbus.Subscriber{
				Name: "a", Events: []string{"#"}, Unmatched: eventbus.SkipUnmatched,
				Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
					return map[string]error{"buried": errors.New("no"), "skipped": eventbus.ErrUnknownType}[name]
				}),
			})
			require.NoError(t, err)
			ended := make(chan struct{})
			go func() { defer close(ended); _ = s.Publish(t.Context(), payment(1)) }()
			<-ended
			st := s.stats("a")
			require.Equal(t, map[string]uint64{name: 1}, nonZero(map[string]uint64{"handled": st.Handled, "buried": st.Buried, "skipped": st.Skipped}))
			require.Len(t, s.letters(), int(st.Buried))
			require.NoError(t, sub.Stop(t.Context()))
			<-sub.Done()
			require.NoError(t, s.Shutdown(t.Context()))
		})
	}
}

func TestAnEventIsUnderWayUntilItIsSettled(t *testing.T) {
	var s *stage
	var during eventbus.SubscriberStats
	s = started(t, memory.Options{Mode: memory.Inline, Options: eventbus.Options{Observer: eventbus.Observer{
		Buried: func(eventbus.Buried) { during = s.stats("bad") },
	}}})
	s.on("bad", s.note("bad", errors.New("no")))
	s.publish(payment(1))
	require.Equal(t, []uint64{1, 0}, []uint64{uint64(during.Running), during.Buried})
	after := s.stats("bad")
	require.Equal(t, []uint64{0, 1}, []uint64{uint64(after.Running), after.Buried})
}

func TestSkippedIsToldOnce(t *testing.T) {
	var told []string
	s := started(t, memory.Options{Mode: memory.Inline, Options: eventbus.Options{Observer: eventbus.Observer{
		Handled: func(eventbus.Handled) { told = append(told, "handled") },
		Skipped: func(eventbus.Skipped) { told = append(told, "skipped") },
	}}})
	_, err := s.Subscribe(t.Context(), eventbus.Subscriber{
		Name: "a", Events: []string{"#"}, Unmatched: eventbus.SkipUnmatched,
		Handler: eventbus.On(func(context.Context, eventbus.Event[paid]) error { return nil }),
	})
	require.NoError(t, err)
	s.publish(eventbus.Named("order.lost", "x", 1))
	require.Equal(t, []string{"skipped"}, told)
}

// The events behind one whose handler ends the goroutine are handled all the same.
func TestABatchSurvivesAHandlerThatEndsItsGoroutine(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		if e.AggregateID != "order-3" {
			runtime.Goexit()
		}
		return s.note("a", nil)(ctx, e)
	})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Publish(t.Context(), payment(1), payment(2), payment(3)) }()
	<-ended
	require.Equal(t, []string{"a order-3"}, s.seen())
	require.Len(t, s.letters(), 2)
	st, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(3), st.Published)
}

// The time that was up is the publisher's, not that of the handler that it waits for.
func TestATimeOutIsBlamedOnTheRightHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline})
		for name, c := range map[string]struct {
			event   string
			timeout time.Duration
			handle  func(ctx context.Context, e eventbus.DomainEvent) error
		}{
			"outer": {"order.paid", time.Second, func(ctx context.Context, _ eventbus.DomainEvent) error {
				return s.Publish(ctx, eventbus.Named("order.lost", "x", 1))
			}},
			"inner": {"order.lost", time.Hour, func(ctx context.Context, _ eventbus.DomainEvent) error {
				<-ctx.Done()
				return ctx.Err()
			}},
		} {
			_, err := s.Subscribe(t.Context(), eventbus.Subscriber{Name: name, Events: []string{c.event}, Timeout: c.timeout, Handler: eventbus.HandlerFunc(c.handle)})
			require.NoError(t, err)
		}
		s.publish(payment(1))
		ls := s.letters()
		require.Len(t, ls, 1)
		require.Equal(t, "inner", ls[0].Subscriber)
		require.Equal(t, dlq.HandlerError, ls[0].Reason)
	})
}

func TestHealthForgetsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, memory.Options{Mode: memory.Inline, MaxLetters: 1})
		s.on("bad", func(context.Context, eventbus.DomainEvent) error { return errors.New("no") })
		s.publish(payment(1), payment(2))
		require.Error(t, s.Health(t.Context()))
		_, err := s.DeadLetters().Purge(t.Context(), dlq.All)
		require.NoError(t, err)
		s.publish(payment(3))
		require.Error(t, s.Health(t.Context()), "though letters can be stored again, one event is lost")
		time.Sleep(time.Minute)
		require.NoError(t, s.Health(t.Context()))
	})
}

func TestDroppedLettersAreLogged(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline, Options: eventbus.Options{DeadLetters: eventbus.DropLetters}})
	s.on("bad", func(context.Context, eventbus.DomainEvent) error { return errors.New("no") })
	s.publish(payment(1))
	require.Empty(t, s.letters())
	require.Contains(t, s.log.lines()[0], "dropped")
}
