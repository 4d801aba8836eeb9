package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
	"github.com/seed-28af575d/eventbus/memory"
)

// plant is a fault; the zero one is none.
type plant struct {
	bus       func(beneath eventbus.EventBus) eventbus.EventBus // that lies to the publishers
	outside   eventbus.Middleware                               // that the journal does not see
	inside    eventbus.Middleware                               // whose doings it takes for the handler's
	unordered bool
	letters   func(r *run) // is let at them before they are listed
	leak      func()
}

// run is a bus in memory with two subscribers: audit asks for everything, clerk for
// decisions. Handlers fail now and then, and always on some.
type run struct {
	*testing.T
	plant   plant
	journal *journal.Journal
	path    string
	bus     *memory.Bus
	letters *dlq.Queue
	base    *oracle.Baseline
}

const publishers = 4

// judged runs the events over a bus with the fault, and returns what the oracle says.
func judged(t *testing.T, p plant, events []eventbus.DomainEvent) oracle.Report {
	t.Helper()
	r := &run{T: t, plant: p, path: filepath.Join(t.TempDir(), "journal.ndjson")}
	var err error
	r.base, err = oracle.TakeBaseline(t.Context(), oracle.Watch{Patience: 2 * time.Second})
	require.NoError(t, err)
	r.open()
	r.publish(events)
	r.quiet()
	return oracle.Check(r.evidence())
}

func (r *run) open() {
	var err error
	r.journal, err = journal.Open(r.path, "worker-1")
	require.NoError(r, err)
	var around []eventbus.Middleware
	for _, m := range []eventbus.Middleware{r.plant.outside, r.journal.Middleware, r.plant.inside} {
		if m != nil {
			around = append(around, m)
		}
	}
	r.bus, err = memory.New(memory.Options{Options: eventbus.Options{
		Group: "town", Middleware: around, NoTelemetry: true,
		Retry: eventbus.RetryPolicy{Attempts: 3, Min: time.Millisecond, Max: 2 * time.Millisecond},
	}})
	require.NoError(r, err)
	r.letters, _ = dlq.Of(r.bus)
	for name, patterns := range asked {
		_, err := r.bus.Subscribe(r.Context(), eventbus.Subscriber{
			Name: name, Events: patterns, Handler: eventbus.HandlerFunc(moody), Unordered: r.plant.unordered,
		})
		require.NoError(r, err)
	}
	require.NoError(r, r.bus.Start(r.Context()))
}

var asked = map[string][]string{"audit": {"#"}, "clerk": {"permit.decided", "permit.*.decided"}}

// moody fails on one event of 97 always, or until it is replayed, and on one of 20 at
// first.
func moody(ctx context.Context, e eventbus.DomainEvent) error {
	h := fnv.New32a()
	h.Write([]byte(e.ID))
	d, _ := eventbus.DeliveryOf(ctx)
	if n := h.Sum32(); n%97 == 0 && (n%2 == 0 || d.Replays == 0) || n%20 == 0 && d.Attempt == 1 {
		return errors.New("the register is closed")
	}
	return nil
}

// publish publishes in batches; each aggregate belongs to one publisher.
func (r *run) publish(events []eventbus.DomainEvent) {
	var bus eventbus.EventBus = r.bus
	if r.plant.bus != nil {
		bus = r.plant.bus(bus)
	}
	shares := make([][]eventbus.DomainEvent, publishers)
	for _, e := range events {
		h := fnv.New32a()
		h.Write([]byte(e.AggregateID))
		shares[h.Sum32()%publishers] = append(shares[h.Sum32()%publishers], e)
	}
	var all sync.WaitGroup
	for _, share := range shares {
		p := r.journal.Publisher(bus)
		all.Go(func() {
			for batch := range slices.Chunk(share, 25) {
				if err := p.Publish(r.Context(), batch...); err != nil && !errors.Is(err, eventbus.ErrRefused) {
					r.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// quiet waits until nothing is under way.
func (r *run) quiet() {
	require.Eventually(r, func() bool {
		stats, err := r.bus.Stats(r.Context())
		return err == nil && !slices.ContainsFunc(stats.Subscribers, func(s eventbus.SubscriberStats) bool {
			return s.InFlight+s.Waiting > 0
		})
	}, 30*time.Second, 2*time.Millisecond)
}

// evidence ends the bus and gathers what there is.
func (r *run) evidence() oracle.Evidence {
	if r.plant.letters != nil {
		r.plant.letters(r)
	}
	var e oracle.Evidence
	for l, err := range r.letters.List(r.Context(), dlq.Filter{}) {
		require.NoError(r, err)
		e.Letters = append(e.Letters, l)
	}
	if r.plant.leak != nil {
		r.plant.leak()
	}
	require.NoError(r, r.bus.Shutdown(r.Context()))
	require.NoError(r, r.journal.Close())
	var err error
	e.Log, err = journal.Read(r.path)
	require.NoError(r, err)
	left, err := r.base.Left(r.Context())
	require.NoError(r, err)
	e.Left = &left
	for _, name := range []string{"audit", "clerk"} {
		e.Subscribers = append(e.Subscribers, oracle.Subscriber{Name: "town." + name, Events: asked[name]})
	}
	return e
}

// permits makes a log of events: the aggregates begin one after another and go on beside
// each other, some with few events and some with many.
func permits(aggregates, events int) []eventbus.DomainEvent {
	random := rand.New(rand.NewPCG(1, 2))
	versions := make([]int64, aggregates)
	out := make([]eventbus.DomainEvent, 0, events)
	for i := range events {
		newest := min(aggregates, 1+i*aggregates/events)
		of := newest - 1 - min(newest-1, int(random.ExpFloat64()*20))
		versions[of]++
		happened := []string{"received", "checked", "decided", "appeal.decided"}[random.IntN(4)]
		out = append(out, eventbus.Named("permit."+happened, fmt.Sprintf("case-%d", of), map[string]any{
			"activity": happened, "resource": fmt.Sprintf("Resource%02d", random.IntN(40)), "channel": "Internet",
		}).WithID(fmt.Sprintf("task-%d", i)).WithVersion(versions[of]))
	}
	return out
}
