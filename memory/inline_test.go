package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/memory"
)

type paid struct{ Amount int }

func (paid) EventType() string { return "order.paid" }

func payment(amount int) eventbus.DomainEvent {
	return eventbus.New(fmt.Sprint("order-", amount), paid{amount})
}

// stage is a bus in one mode, with what its handlers saw and what it logged.
type stage struct {
	testing.TB
	*memory.Bus
	log syncBuffer

	mu  sync.Mutex
	saw []string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSuffix(s.b.String(), "\n"), "\n")
}

func newStage(tb testing.TB, o memory.Options) *stage {
	tb.Helper()
	s := &stage{TB: tb}
	o.Logger = slog.New(slog.NewTextHandler(&s.log, nil))
	bus, err := memory.New(o)
	require.NoError(tb, err)
	s.Bus = bus
	return s
}

// started is newStage with a bus that is started.
func started(tb testing.TB, o memory.Options) *stage {
	tb.Helper()
	s := newStage(tb, o)
	require.NoError(tb, s.Start(tb.Context()))
	return s
}

// on subscribes a handler of any event.
func (s *stage) on(name string, h func(ctx context.Context, e eventbus.DomainEvent) error) eventbus.Subscription {
	s.Helper()
	sub, err := s.Subscribe(s.Context(), eventbus.Subscriber{Name: name, Events: []string{"#"}, Handler: eventbus.HandlerFunc(h)})
	require.NoError(s, err)
	return sub
}

// note is a handler that writes down what it sees, and returns err.
func (s *stage) note(name string, err error) func(context.Context, eventbus.DomainEvent) error {
	return func(_ context.Context, e eventbus.DomainEvent) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.saw = append(s.saw, name+" "+e.AggregateID)
		return err
	}
}

func (s *stage) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.saw = nil }()
	return s.saw
}

func (s *stage) publish(events ...eventbus.DomainEvent) {
	s.Helper()
	require.NoError(s, s.Publish(s.Context(), events...))
}

func (s *stage) letters() []dlq.Letter {
	s.Helper()
	var all []dlq.Letter
	for l, err := range s.DeadLetters().List(s.Context(), dlq.Filter{}) {
		require.NoError(s, err)
		all = append(all, l)
	}
	return all
}

// stats are those of one subscriber, which add up.
func (s *stage) stats(name string) eventbus.SubscriberStats {
	s.Helper()
	st, err := s.Stats(s.Context())
	require.NoError(s, err)
	for _, one := range st.Subscribers {
		if one.Subscriber == name {
			require.Equal(s, one.Handled+one.Skipped+one.Moved+one.Buried, one.Acked)
			require.Equal(s, one.Acked+uint64(one.InFlight), one.Received)
			return one
		}
	}
	s.Fatalf("no subscriber %s", name)
	return eventbus.SubscriberStats{}
}

func TestInlinePublishRunsTheHandlersInOrderAndWaits(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	id := func() string { return strings.Fields(string(debug.Stack()))[1] }
	var goroutines []string // not guarded: it belongs to the caller's goroutine
	for _, name := range []string{"c", "a", "b"} {
		s.on(name, func(_ context.Context, e eventbus.DomainEvent) error {
			goroutines = append(goroutines, id())
			return s.note(name, nil)(t.Context(), e)
		})
	}
	s.publish(payment(1), payment(2))
	require.Equal(t, []string{"c order-1", "a order-1", "b order-1", "c order-2", "a order-2", "b order-2"}, s.seen())
	for _, g := range goroutines {
		require.Equal(t, id(), g)
	}
	require.NoError(t, s.Shutdown(t.Context()))
}

func TestInlineHandlersShareThePublishersContextAndValue(t *testing.T) {
	type key struct{}
	s := started(t, memory.Options{Mode: memory.Inline})
	shared := []string{"as published"}
	s.on("a", func(ctx context.Context, e eventbus.DomainEvent) error {
		require.Equal(t, 7, ctx.Value(key{}))
		got, ok := e.Value().([]string)
		require.True(t, ok)
		require.Same(t, &shared[0], &got[0])
		return nil
	})
	require.NoError(t, s.Publish(context.WithValue(t.Context(), key{}, 7), eventbus.Named("order.paid", "a", shared)))
	require.Equal(t, uint64(1), s.stats("a").Handled)
}

func TestInlineWithEncodeGoesThroughTheWireFormat(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline, Encode: true})
	s.on("a", func(_ context.Context, e eventbus.DomainEvent) error {
		require.Nil(t, e.Value())
		require.JSONEq(t, `{"Amount":3}`, string(e.Data()))
		return nil
	})
	s.publish(payment(3))
	require.Equal(t, uint64(1), s.stats("a").Handled)
}

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

func TestAHandlerThatEndsItsGoroutineIsALetterAndStopsNoOther(t *testing.T) {
	for _, mode := range []memory.Mode{memory.Inline, memory.InlineTogether, memory.Manual} {
		t.Run(mode.String(), func(t *testing.T) {
			s := started(t, memory.Options{Mode: mode})
			s.on("bad", func(context.Context, eventbus.DomainEvent) error { runtime.Goexit(); return nil })
			s.on("good", s.note("good", nil))
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = s.Publish(t.Context(), payment(1))
				if mode == memory.Manual {
					_, _ = s.Drain(t.Context(), 1)
				}
			}()
			<-ended
			require.Equal(t, []string{"good order-1"}, s.seen())
			require.Len(t, s.letters(), 1)
			require.Equal(t, uint64(1), s.stats("bad").Buried)
			require.NoError(t, s.Shutdown(t.Context()))
		})
	}
}

func TestInlineTogetherRunsAllHandlersOfAnEventAtOnce(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.InlineTogether})
	var barrier sync.WaitGroup
	barrier.Add(3)
	for i := range 3 {
		s.on(fmt.Sprint("h", i), func(_ context.Context, e eventbus.DomainEvent) error {
			barrier.Done()
			barrier.Wait() // for the two others
			return s.note("h", nil)(t.Context(), e)
		})
	}
	s.publish(payment(1))
	require.Len(t, s.seen(), 3)
}

func TestInlineHandlersMayPublish(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	s.on("first", func(ctx context.Context, e eventbus.DomainEvent) error {
		_ = s.note("first", nil)(ctx, e)
		if e.AggregateID == "order-1" {
			return s.Publish(ctx, payment(2).CausedBy(e))
		}
		return nil
	})
	s.on("second", s.note("second", nil))
	s.publish(payment(1))
	require.Equal(t, []string{"first order-1", "first order-2", "second order-2", "second order-1"}, s.seen())
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
	require.ErrorContains(t, refusal, "publishes, directly or through others, the event that it handles")
	require.NoError(t, s.Shutdown(t.Context()))
}

func TestInlineSkipsBuriesExpiredAndSelectsByPattern(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	_, err := s.Subscribe(t.Context(), eventbus.Subscriber{
		Name: "typed", Events: []string{"order.*"}, Unmatched: eventbus.SkipUnmatched,
		Handler: eventbus.On(func(_ context.Context, e eventbus.Event[paid]) error {
			return s.note(fmt.Sprint("typed ", e.Payload.Amount), nil)(t.Context(), e.DomainEvent)
		}),
	})
	require.NoError(t, err)
	s.publish(payment(1), eventbus.Named("order.lost", "x", 1), eventbus.Named("invoice.sent", "y", 1), payment(2).WithExpiry(time.Unix(1, 0)))
	require.Equal(t, []string{"typed 1 order-1"}, s.seen())
	st := s.stats("typed")
	require.Equal(t, []uint64{1, 1, 1, 1}, []uint64{st.Handled, st.Skipped, st.Buried, st.Attempts})
	ls := s.letters()
	require.Len(t, ls, 1)
	require.Equal(t, dlq.Expired, ls[0].Reason)
	require.Zero(t, ls[0].Attempts)
}

func TestInlineReplayRunsTheOneHandlerAgain(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	fail := errors.New("down")
	s.on("flaky", func(ctx context.Context, e eventbus.DomainEvent) error { return s.note("flaky", fail)(ctx, e) })
	s.on("other", s.note("other", nil))
	s.publish(payment(1))
	s.seen()
	first := s.letters()[0]

	res, err := s.DeadLetters().Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
	require.NoError(t, err)
	require.Equal(t, 1, res.Replayed)
	require.Equal(t, []string{"flaky order-1"}, s.seen())
	ls := s.letters()
	require.Len(t, ls, 1)
	require.Equal(t, 1, ls[0].Replays)
	require.Equal(t, first.Origin, ls[0].Origin)
	require.NotEqual(t, first.ID, ls[0].ID)

	fail = nil
	require.NoError(t, s.DeadLetters().ReplayOne(t.Context(), ls[0].ID, dlq.ReplayOptions{}))
	require.Equal(t, []string{"flaky order-1"}, s.seen())
	require.Empty(t, s.letters())
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
			require.Equal(t, []string{"published order-1", "handled good 1 <nil>", "handled bad 1 no", "buried bad handler error"}, told)
			require.Len(t, s.letters(), 1)
		})
	}
}

func TestInlinePublishersAtOnce(t *testing.T) {
	s := started(t, memory.Options{Mode: memory.Inline})
	var handled atomic.Int64
	s.on("a", func(_ context.Context, e eventbus.DomainEvent) error {
		if handled.Add(1)%10 == 0 {
			return errors.New("every tenth")
		}
		return nil
	})
	var publishers sync.WaitGroup
	for range 8 {
		publishers.Go(func() {
			for i := range 100 {
				_ = s.Publish(t.Context(), payment(i))
			}
		})
	}
	publishers.Go(func() {
		sub := s.on("guest", s.note("b", nil))
		sub.Pause()
		sub.Resume()
		_ = sub.Stop(t.Context())
		<-sub.Done()
	})
	publishers.Wait()
	st := s.stats("a")
	require.Equal(t, uint64(720), st.Handled)
	require.Len(t, s.letters(), 80)
	require.NoError(t, s.Shutdown(t.Context()))
}
