package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
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

func nonZero(m map[string]uint64) map[string]uint64 {
	maps.DeleteFunc(m, func(_ string, n uint64) bool { return n == 0 })
	return m
}

// wait is time.After for bubbles under the race detector, where a timer of Go 1.26
// that is due at once crashes the process now and then, and so does its channel.
func wait(d time.Duration) <-chan struct{} {
	ended := make(chan struct{})
	if d <= 0 {
		close(ended)
		return ended
	}
	time.AfterFunc(d, func() { close(ended) })
	return ended
}

// ignore returns nil for the error that is wanted.
func ignore(err, wanted error) error {
	if errors.Is(err, wanted) {
		return nil
	}
	return fmt.Errorf("wanted %w, got %w", wanted, err)
}
