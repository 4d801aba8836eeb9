package eventbus_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestJitterSpreadsTheWaitBothWays(t *testing.T) {
	p := eventbus.RetryPolicy{Min: time.Second, Jitter: 0.5}.WithDefaults()
	require.Equal(t, 500*time.Millisecond, p.Delay(1, 0))
	require.Equal(t, time.Second, p.Delay(1, 0.5))
	require.Equal(t, 3*time.Second, p.Delay(2, 1))
}

// A policy goes through the options, the subscriber and the engine.
func TestDefaultsAreFilledInOnce(t *testing.T) {
	p := eventbus.RetryPolicy{Attempts: 3, Min: time.Second, Jitter: -1}.WithDefaults()
	require.Equal(t, p, p.WithDefaults())
	require.Equal(t, time.Second, p.WithDefaults().Delay(1, 0), "no jitter is no jitter")
	require.Equal(t, 3*time.Second, p.Longest())
}

func TestLongestBoundsEveryRun(t *testing.T) {
	for _, p := range []eventbus.RetryPolicy{
		{}, {Attempts: 1}, {Attempts: 50, Max: time.Second}, {Attempts: 1_000_000, Max: time.Hour, Multiplier: 1.5}, {Jitter: 1},
	} {
		p = p.WithDefaults()
		var sum time.Duration
		for n := 1; n < min(p.Attempts, 2000); n++ {
			sum += p.Delay(n, 0.999)
		}
		require.LessOrEqual(t, sum, p.Longest(), "%+v", p)
	}
}

// An ordered subscriber must not promise retries that it would cut off.
func TestRetriesMustFitTheHold(t *testing.T) {
	o := eventbus.Options{Hold: time.Second}.WithDefaults()
	s := eventbus.Subscriber{
		Name: "mailer", Events: []string{"#"}, Retry: eventbus.RetryPolicy{Attempts: 3, Min: time.Second},
		Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { return nil }),
	}.WithDefaults(o)
	require.ErrorContains(t, s.Validate(o), "Hold")
	s.Unordered = true
	require.NoError(t, s.Validate(o))
}

func TestOptionsReportEverythingAtOnce(t *testing.T) {
	require.NoError(t, eventbus.Options{}.WithDefaults().Validate())
	err := eventbus.Options{
		Group: "a.b", Source: "\x00", Retry: eventbus.RetryPolicy{Multiplier: math.NaN(), Jitter: 2, Min: 2, Max: 1},
		Middleware: []eventbus.Middleware{nil}, PublishTimeout: -1, Hold: -1, Window: -1, MaxBytes: -1, DeadLetters: 9,
	}.WithDefaults().Validate()
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	for _, field := range []string{
		"group", "source", "retry.multiplier", "retry.jitter", "retry.max", "middleware[0]",
		"publish_timeout", "hold", "window", "max_bytes", "dead_letters",
	} {
		require.ErrorContains(t, err, field+":")
	}
}

func TestMetadataOfACopyIsItsOwn(t *testing.T) {
	e := eventbus.New("a", orderCreated{}).WithMetadata("k", "1").WithExtension("x", "1")
	changed := e.WithMetadata("k", "2").WithExtension("x", "2")
	require.Equal(t, "1", e.Metadata["k"])
	require.Equal(t, "1", e.Extensions["x"])
	require.Equal(t, "2", changed.Metadata["k"])
}

func TestHeadersAreBoundedInNumberAndInAll(t *testing.T) {
	many, large := eventbus.New("a", orderCreated{}), eventbus.New("a", orderCreated{})
	for i := range 65 {
		many = many.WithMetadata(fmt.Sprint(i), "x")
	}
	for i := range 5 {
		large = large.WithMetadata(fmt.Sprint(i), strings.Repeat("x", 4096))
	}
	require.ErrorContains(t, many.Validate(), "at most 64")
	require.ErrorContains(t, large.Validate(), "16384 bytes")
	one := eventbus.New("a", orderCreated{}).WithMetadata("k", strings.Repeat("x", 4097))
	require.ErrorContains(t, one.Validate(), "metadata.k")
}

func TestTwoCasesOfOneTypeAreRefused(t *testing.T) {
	one := eventbus.On(func(context.Context, eventbus.Event[orderCreated]) error { return nil })
	o := eventbus.Options{}.WithDefaults()
	s := eventbus.Subscriber{Name: "p", Handler: eventbus.Handlers(one, one)}.WithDefaults(o)
	require.ErrorContains(t, s.Validate(o), "two cases")
	s.Handler = eventbus.On[orderCreated](nil)
	require.ErrorContains(t, s.Validate(o), "must not be nil")
}
