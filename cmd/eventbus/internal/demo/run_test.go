package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestSumsOfTheStory(t *testing.T) {
	got := play(t, &fakeBus{}, Config{JSON: true, Orders: 100, Seed: 1})
	require.Equal(t, StatusGood, got.status, got.err)
	require.Empty(t, got.err)
	sums := got.totals(t)
	n := len(storyLines(100, 1))
	require.Equal(t, n, sums.Published)
	require.Equal(t, map[string]int{"projection": n, "audit": n, "notifier": n, "biller": n}, sums.Handled)
	require.Positive(t, sums.Retried)
	require.Positive(t, sums.DeadLettered)
	require.Equal(t, sums.DeadLettered, sums.Replayed)
	require.Zero(t, sums.LeftInDLQ+sums.OrderViolations+sums.Lost+sums.Duplicates)
	require.Positive(t, sums.EventsPerSecond)
}

func TestTextOfTheStory(t *testing.T) {
	got := play(t, &fakeBus{}, Config{})
	require.Equal(t, StatusGood, got.status, got.err)
	for _, want := range []string{
		"a story of 30 orders, seed 1", "in the group demo-", "cannot bill payment.declined", "\n  projection ", "order.placed ",
		"handler error  payment.declined", "The biller is fixed: ", "The sums add up: ",
	} {
		require.Contains(t, got.out, want)
	}
	require.Regexp(t, `^publishing: (\d+) of (\d+)\nhandling: `, got.err)
	require.Contains(t, got.err, "\nreplaying: ")
}

// Every fault of a bus shows in the sums and in the status.
func TestFaultsOfTheBusAreFound(t *testing.T) {
	only := func(subscriber string, n int, f fault) func(string, int) fault {
		return func(s string, i int) fault {
			if s == subscriber && i == n {
				return f
			}
			return fault{times: 1}
		}
	}
	ordered := strings.Join([]string{
		eventLine("a", "order.placed", "o-1"), eventLine("b", "order.paid", "o-1"), eventLine("c", "order.sent", "o-1"),
	}, "\n")
	for name, c := range map[string]struct {
		bus    *fakeBus
		sums   Totals
		faults string
	}{
		"lost":      {&fakeBus{deliver: only("audit", 1, fault{times: 0})}, Totals{Lost: 1}, "1 delivery lost"},
		"doubled":   {&fakeBus{deliver: only("projection", 1, fault{times: 2})}, Totals{Duplicates: 1}, "1 delivery handled more than once"},
		"reordered": {&fakeBus{deliver: only("projection", 1, fault{times: 1, late: true})}, Totals{OrderViolations: 1}, "1 event out of order"},
		"not replayed": {
			&fakeBus{replay: func() error { return errFake }}, Totals{LeftInDLQ: 1}, "1 dead letter left",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := file(t, "events", []byte(ordered))
				left := play(t, c.bus, Config{Events: path, Poison: "order.sent", JSON: true})
				require.Equal(t, StatusFault, left.status, left.err)
				sums := left.totals(t)
				got := Totals{Lost: sums.Lost, Duplicates: sums.Duplicates, OrderViolations: sums.OrderViolations, LeftInDLQ: sums.LeftInDLQ}
				require.Equal(t, c.sums, got)
				require.Contains(t, left.err, "do not add up")
				require.Contains(t, left.err, c.faults)
			})
		})
	}
}

func TestFailingPublishBreaksOff(t *testing.T) {
	batches := 0
	bus := &fakeBus{publish: func() error {
		if batches++; batches > 1 {
			return fmt.Errorf("eventbus: publish: %w", errFake)
		}
		return nil
	}}
	got := play(t, bus, Config{JSON: true, Orders: 100, Seed: 1})
	require.Equal(t, StatusFault, got.status)
	require.Equal(t, batchSize, got.totals(t).Published)
	require.Contains(t, got.err, "the broker is away")
	require.Contains(t, got.err, "Broken off")
}

func TestBusThatDoesNotOpen(t *testing.T) {
	got := play(t, nil, Config{Open: func(eventbus.Options) (eventbus.EventBus, error) { return nil, errFake }})
	require.Equal(t, StatusFault, got.status)
	require.Contains(t, got.err, "the broker is away")
	require.Empty(t, got.out)
}

func TestInterruptedWhilePublishing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	batches := 0
	bus := &fakeBus{publish: func() error {
		if batches++; batches == 3 {
			cancel()
		}
		return nil
	}}
	var out, err safeBuffer
	status := Run(ctx, Config{Orders: 1000, Seed: 1, Stdout: &out, Stderr: &err, Open: bus.open})
	require.Equal(t, StatusInterrupted, status)
	require.Contains(t, out.String(), "Interrupted: these are the totals so far.")
	require.Regexp(t, `published +768\n`, out.String())
	require.Regexp(t, `lost +0\n`, out.String())
}

// A terminal or pipe that says nothing does not hold up the end.
func TestInterruptedWhileReading(t *testing.T) {
	for _, poison := range []string{"", "order.placed"} {
		ctx, cancel := context.WithCancel(t.Context())
		silent, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, eventLine("a", "order.placed", "o-1")+"\n")
			cancel()
		}()
		var out, err safeBuffer
		bus := &fakeBus{}
		status := Run(ctx, Config{Events: "-", Poison: poison, Stdin: silent, Stdout: &out, Stderr: &err, Open: bus.open})
		require.Equal(t, StatusInterrupted, status, err.String())
		require.NoError(t, w.Close())
	}
}

func TestSilentBusIsNotWaitedForForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &fakeBus{deliver: func(_ string, n int) fault { return fault{times: min(n, 1)} }}
		began := time.Now()
		got := play(t, bus, Config{Stall: time.Minute})
		require.Equal(t, StatusFault, got.status)
		require.Contains(t, got.err, "the bus has fallen silent for 1m0s; unsettled: 1 event of audit, 1 event of biller, 1 event of notifier, 1 event of projection")
		require.Contains(t, got.out, "4 deliveries lost")
		require.Equal(t, time.Minute, time.Since(began))
	})
}

type closedPipe struct{ err error }

func (c closedPipe) Write([]byte) (int, error) { return 0, c.err }

func TestClosedStandardOutput(t *testing.T) {
	for err, want := range map[error]int{
		syscall.EPIPE:               StatusUnread,
		errors.New("no space left"): StatusFault,
	} {
		var stderr safeBuffer
		bus := &fakeBus{}
		status := Run(t.Context(), Config{Orders: 10, Seed: 1, Stdout: closedPipe{err}, Stderr: &stderr, Open: bus.open})
		require.Equal(t, want, status)
		require.Equal(t, want == StatusFault, strings.Contains(stderr.String(), "cannot write the report: no space left"))
	}
}

func TestProgressBarOnATerminal(t *testing.T) {
	got := play(t, &fakeBus{}, Config{Terminal: true, JSON: true, Orders: 100, Seed: 1})
	require.Equal(t, StatusGood, got.status)
	require.Contains(t, got.err, "publishing")
	require.NotContains(t, got.err, "\n")
	got.totals(t)
}
