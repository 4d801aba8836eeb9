package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

var (
	errMaybe   = fmt.Errorf("%w: EOF", eventbus.ErrUnknown)
	errRefused = fmt.Errorf("%w: connection refused", eventbus.ErrRefused)
)

// answers says of the calls what it is given, and of all later ones that they are stored.
func answers(stored int, errs ...error) func(call, n int) (int, error) {
	return func(call, n int) (int, error) {
		if call < 1 || call > len(errs) {
			return n, nil
		}
		return min(stored, n), errs[call-1]
	}
}

// A server that is away while events are published costs duplicates at most.
func TestPublishesAgainWhatWasNotConfirmed(t *testing.T) {
	n := len(storyLines(100, 1))
	for name, c := range map[string]struct {
		answer     func(int, int) (int, error)
		duplicates int
	}{
		"unknown, and stored":           {answers(batchSize, errMaybe), 4 * batchSize},
		"unknown, and not stored":       {answers(0, errMaybe), 0},
		"unknown, and stored in part":   {answers(100, errMaybe), 4 * 100},
		"unknown, and stored each time": {answers(10, errMaybe, errMaybe, errMaybe), 3 * 4 * 10},
		"refused for a while":           {answers(0, errRefused, errRefused, errRefused, errRefused, errRefused), 0},
		"unknown, then refused":         {answers(0, errMaybe, errRefused, errMaybe), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := play(t, &fakeBus{answer: c.answer}, Config{JSON: true, Orders: 100, Seed: 1})
				require.Equal(t, StatusGood, got.status, got.err)
				require.Equal(t, "eventbus demo: the server did not confirm 256 events: publishing them again\n", got.err)
				sums := got.totals(t)
				require.Equal(t, n, sums.Published)
				require.Equal(t, batchSize, sums.PublishedAgain)
				require.Equal(t, c.duplicates, sums.Duplicates)
				require.Equal(t, 4*n+c.duplicates, sums.Handled["projection"]+sums.Handled["audit"]+sums.Handled["notifier"]+sums.Handled["biller"])
				require.Zero(t, sums.OrderViolations+sums.Lost+sums.LeftInDLQ)
				require.Equal(t, sums.DeadLettered, sums.Replayed)
			})
		})
	}
}

func TestPublishingAgainEnds(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		took time.Duration
	}{
		"a server that stays away": {errRefused, time.Minute},
		"one that never answers":   {errMaybe, time.Minute},
		"an event that is invalid": {fmt.Errorf("%w: %w", eventbus.ErrRefused, &eventbus.TooLargeError{}), 0},
		"no permission":            {fmt.Errorf("%w: %w", eventbus.ErrRefused, redisbus.ErrPermission), 0},
		"a bus that is closed":     {fmt.Errorf("%w: %w", eventbus.ErrRefused, eventbus.ErrClosed), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := play(t, &fakeBus{answer: func(call, n int) (int, error) {
					if call == 0 {
						return n, nil
					}
					return 0, c.err
				}}, Config{JSON: true, Orders: 100, Seed: 1})
				require.Equal(t, StatusFault, got.status)
				require.Equal(t, c.took, time.Since(began))
				require.Equal(t, batchSize, got.totals(t).Published)
				require.Contains(t, got.err, "256 of 256 events failed")
				require.Contains(t, got.err, "Broken off")
				require.Equal(t, c.took > 0, strings.Contains(got.err, "publishing them again"))
			})
		})
	}
}

// The patience is that without any success.
func TestPublishingGoesOnWhileSomethingIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		bus := &fakeBus{confirm: 1, answer: func(_, n int) (int, error) { return 1, map[bool]error{true: errRefused}[n > 1] }}
		got := play(t, bus, Config{JSON: true, Orders: 100, Seed: 1, Patience: 10 * time.Second})
		require.Equal(t, StatusGood, got.status, got.err)
		require.Greater(t, time.Since(began), time.Minute)
		sums := got.totals(t)
		require.Equal(t, len(storyLines(100, 1)), sums.Published)
		require.Zero(t, sums.Duplicates+sums.OrderViolations)
	})
}

func TestInterruptedWhilePublishingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		var out, err safeBuffer
		bus := &fakeBus{answer: answers(0, slices.Repeat([]error{errRefused}, 1000)...)}
		status := Run(ctx, Config{Orders: 100, Seed: 1, Stdout: &out, Stderr: &err, Open: bus.open})
		require.Equal(t, StatusInterrupted, status)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Contains(t, out.String(), "Interrupted: these are the totals so far.")
	})
}
