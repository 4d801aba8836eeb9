package demo

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// The real bus keeps what the demo checks.
func TestDemoOnTheMemoryBus(t *testing.T) {
	lines := storyLines(300, 1)
	foreign := make([]string, 0, 300)
	for i := range 300 {
		foreign = append(foreign, eventLine(number(i), "thing.t"+number(i%3), "s-"+number(i%20)))
	}
	for name, c := range map[string]Config{
		"story":              {Orders: 300, Seed: 1},
		"file":               {Events: "-", Stdin: strings.NewReader(strings.Join(lines, "\n"))},
		"without versions":   {Events: "-", Stdin: strings.NewReader(strings.Join(foreign, "\n"))},
		"everything is sick": {Orders: 50, Seed: 2, Poison: "#"},
	} {
		t.Run(name, func(t *testing.T) {
			c.JSON, c.Open = true, OpenMemory
			got := play(t, nil, c)
			require.Equal(t, StatusGood, got.status, got.err)
			sums := got.totals(t)
			require.Positive(t, sums.DeadLettered)
			for _, subscriber := range subscriberNames() {
				require.Equal(t, sums.Published, sums.Handled[subscriber], subscriber)
			}
		})
	}
}

func TestInterruptedOnTheMemoryBus(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var handled atomic.Int64
	open := func(o eventbus.Options) (eventbus.EventBus, error) {
		o.Observer = eventbus.Tee(o.Observer, eventbus.Observer{Handled: func(eventbus.Handled) {
			if handled.Add(1) == 1000 {
				cancel()
			}
		}})
		return OpenMemory(o)
	}
	var out, err safeBuffer
	status := Run(ctx, Config{Orders: 100_000, Seed: 1, Stdout: &out, Stderr: &err, Open: open})
	require.Equal(t, StatusInterrupted, status, err.String())
	require.Contains(t, out.String(), "Interrupted: these are the totals so far.")
}
