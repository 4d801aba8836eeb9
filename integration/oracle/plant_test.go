package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/memory"
)

const (
	changed = "permit.changed"
	poison  = "poison"
)

// plant is a bus with a fault: it does with a call's events what it pleases, and says
// that all is well.
type plant struct {
	eventbus.EventBus
	fault func(ctx context.Context, bus eventbus.EventBus, events []eventbus.DomainEvent) error
}

func (p *plant) Publish(ctx context.Context, events ...eventbus.DomainEvent) error {
	if p.fault == nil {
		return p.EventBus.Publish(ctx, events...)
	}
	return p.fault(ctx, p.EventBus, events)
}

// permits returns events like those of a real log: n of them on a sixth as many
// aggregates, in an order of their own; every hundredth cannot be handled.
func permits(n int) []eventbus.DomainEvent {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]eventbus.DomainEvent, n)
	for i := range out {
		body := fmt.Sprintf(`{"n":%d}`, i)
		if i%100 == 99 {
			body = `"` + poison + `"`
		}
		out[i] = eventbus.NewRaw(changed, fmt.Sprintf("case-%d", random.IntN(n/6+1)), "application/json", []byte(body))
	}
	return out
}

// trialRun publishes the events in calls of 50 through a journal and a bus with the fault,
// waits until ends of them are handled or buried, and returns the evidence.
func trialRun(t *testing.T, events []eventbus.DomainEvent, ends int, p plant) Evidence {
	t.Helper()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "run.journal")
	j, err := journal.Open(path, "here")
	require.NoError(t, err)
	var ended atomic.Int64
	quiet := make(chan struct{})
	end := func() {
		if ended.Add(1) == int64(ends) {
			close(quiet)
		}
	}
	bus, err := memory.New(memory.Options{Options: eventbus.Options{
		Group:      "shop",
		Middleware: []eventbus.Middleware{j.Middleware},
		Observer:   eventbus.Observer{Buried: func(eventbus.Buried) { end() }},
	}})
	require.NoError(t, err)
	_, err = bus.Subscribe(ctx, eventbus.Subscriber{Name: "clerk", Events: []string{changed},
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			if string(e.Data()) == `"`+poison+`"` {
				return eventbus.Permanent(errors.New("cannot be handled"))
			}
			end()
			return nil
		})})
	require.NoError(t, err)
	require.NoError(t, bus.Start(ctx))
	p.EventBus = bus
	publisher := j.Publisher(&p)
	for call := range slices.Chunk(events, 50) {
		require.NoError(t, publisher.Publish(ctx, call...))
	}
	select {
	case <-quiet:
	case <-time.After(30 * time.Second):
		t.Fatalf("%d of %d ends after 30 s", ended.Load(), ends)
	}
	queue, _ := dlq.Of(bus)
	var letters []dlq.Letter
	for l, err := range queue.List(ctx, dlq.Filter{}) {
		require.NoError(t, err)
		letters = append(letters, l)
	}
	require.NoError(t, bus.Shutdown(ctx))
	require.NoError(t, j.Close())
	log, err := journal.Read(path)
	require.NoError(t, err)
	return Evidence{Log: log, Letters: letters, Subscribers: []Subscriber{{Name: "shop.clerk", Events: []string{changed}}}}
}

func leakFile(t *testing.T) {
	t.Helper()
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
}
