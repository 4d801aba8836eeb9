package integration_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/process"
	"github.com/seed-28af575d/eventbus/kafkabus"
	"github.com/seed-28af575d/eventbus/rabbitbus"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// busOptions are those of whatever backend there is.
type busOptions struct {
	eventbus.Options
	prefix string
	lease  time.Duration
}

// openBus makes a bus on the server. What it takes to close it is done after Shutdown.
func openBus(s broker.Server, o busOptions) (bus eventbus.EventBus, closeClient func() error, err error) {
	switch s.Kind {
	case broker.Redis:
		options, err := redis.ParseURL(s.URL)
		if err != nil {
			return nil, nil, err
		}
		c := redis.NewClient(options)
		bus, err = redisbus.New(c, redisbus.Options{Options: o.Options, Prefix: o.prefix, Lease: o.lease})
		return bus, c.Close, err
	case broker.RabbitMQ:
		bus, err = rabbitbus.New(rabbitbus.Options{Options: o.Options, URL: s.URL, Addrs: addrsOf(s), Prefix: o.prefix})
		return bus, func() error { return nil }, err
	case broker.Kafka:
		brokers, who := kafkaURL(s.URL)
		bus, err = kafkabus.New(kafkabus.Options{
			Options: o.Options, Brokers: brokers, SASL: who, Prefix: o.prefix, Topics: kafkabus.Topics{Partitions: loadPartitions},
			Session: kafkaSession, Heartbeat: 250 * time.Millisecond,
		})
		return bus, func() error { return nil }, err
	default:
		return nil, nil, fmt.Errorf("no bus on %s yet", s.Kind)
	}
}

// addrsOf are the nodes of a server that is a cluster; one is in the URL.
func addrsOf(s broker.Server) []string {
	if addrs := strings.Split(s.Addr, ","); len(addrs) > 1 {
		return addrs
	}
	return nil
}

// load is a run with publishers in the test's process and subscribers in others, under
// faults, and judged by the oracle.
type load struct {
	t          *testing.T
	server     broker.Server
	direct     broker.Server // for publishers, if they do not go where the subscribers go
	options    loadOptions
	dir        string
	paths      []string
	cuts       []time.Time
	inFlight   int // at most, at all faults together
	spans      []span
	foreign    int // letters of what others published, and nobody can read
	workers    []*process.Worker
	bus        eventbus.EventBus
	written    *journal.Journal // of the publishers
	log        lockedBuffer     // of their bus
	publishing sync.WaitGroup
	published  atomic.Int64           // events, whatever came of it
	onTop      atomic.Int64           // of them, those that the load does not count
	onAndOn    atomic.Bool            // publishing does not end
	stored     atomic.Pointer[stored] // the last batch that was
}

// stored is a batch whose Publish returned nil.
type stored struct {
	began  time.Time
	events []eventbus.DomainEvent
}

// loadOptions say what is unlike the load of which there is most. Zeros mean that.
type loadOptions struct {
	events int           // in the long form
	size   int           // of a payload; zero means 1 KiB
	fatal  int           // of a thousand events; zero means 8
	lease  time.Duration // zero means 1 s: what a killed process has left comes back soon
	pace   time.Duration // between two calls of Publish by one publisher; zero means 5 ms
	needs  func(published journal.Record) bool
}

func (o loadOptions) withDefaults() loadOptions {
	if testing.Short() {
		o.events /= 5
	}
	o.size = cmp.Or(o.size, 1<<10)
	o.fatal = cmp.Or(o.fatal, loadFatal)
	o.lease = cmp.Or(o.lease, time.Second)
	o.pace = cmp.Or(o.pace, 5*time.Millisecond)
	return o
}

const (
	loadPrefix     = "load"
	loadPublishers = 4
	loadAggregates = 200
	loadBatch      = 10               // events of one Publish
	loadPublishing = 5 * time.Second  // the publish time-out
	loadGrace      = 10 * time.Second // of the subscriber's end
	loadPatience   = time.Minute      // for all to be handled when the faults are over
)

func newLoad(t *testing.T, server broker.Server, o loadOptions) *load {
	return &load{t: t, server: server, options: o.withDefaults(), dir: t.TempDir()}
}

// journal returns the path of one more journal.
func (l *load) journal(name string) string {
	path := filepath.Join(l.dir, fmt.Sprintf("%02d-%s", len(l.paths), name))
	l.paths = append(l.paths, path)
	return path
}

// serve starts a process with a subscriber, and returns when that is started.
func (l *load) serve() *process.Worker {
	l.t.Helper()
	args := busArgs(l.server, l.options.lease)
	args["file"], args["fatal"] = l.journal("serve"), strconv.Itoa(l.options.fatal)
	w := process.Start(l.t, process.Spec{Role: "serve", Patience: time.Minute, Args: args})
	w.Ready()
	l.workers = append(l.workers, w)
	return w
}

// fault lets a fault happen, and notes when it begins and has happened: what a process
// received in between goes with it too.
func (l *load) fault(f func()) {
	l.inFlight += len(l.running()) * sourcesOfATopic * loadWindow
	l.cut(f)
}

// cut lets something happen that is no fault, but by which another process comes to what one
// has received and not handled.
func (l *load) cut(f func()) {
	l.cuts = append(l.cuts, time.Now())
	f()
	l.cuts = append(l.cuts, time.Now())
}

// sourcesOfATopic is how many sources a subscriber has for one, each with its window.
const sourcesOfATopic = 2

// running are the processes that have not ended.
func (l *load) running() (workers []*process.Worker) {
	for _, w := range l.workers {
		select {
		case <-w.Done():
		default:
			workers = append(workers, w)
		}
	}
	return workers
}

// stop ends the processes that still run, in good order.
func (l *load) stop() {
	l.t.Helper()
	for _, w := range l.running() {
		require.NoError(l.t, w.Stop())
	}
}

// connect makes the bus of the publishers, and returns it with their journal before it.
func (l *load) connect() eventbus.EventBus {
	l.t.Helper()
	j, err := journal.Open(l.journal("publish"), "publisher")
	require.NoError(l.t, err)
	bus, closeClient, err := openBus(cmp.Or(l.direct, l.server), busOptions{
		Options: eventbus.Options{Group: loadGroup, PublishTimeout: loadPublishing, Logger: slog.New(slog.NewTextHandler(&l.log, nil))},
		prefix:  loadPrefix, lease: l.options.lease,
	})
	require.NoError(l.t, err)
	l.bus, l.written = bus, j
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), 20*time.Second)
		defer cancel()
		l.publishing.Wait()
		if l.t.Failed() {
			l.t.Log(l.log.String())
		}
		require.NoError(l.t, errors.Join(bus.Shutdown(ctx), closeClient(), j.Close()))
	})
	return j.Publisher(bus)
}

// publish begins to publish, with one batch until somebody has found the topic: the faults
// are for what runs.
func (l *load) publish() {
	l.t.Helper()
	to := l.connect()
	l.publishBatch(to, 0, 0)
	if len(l.workers) > 0 {
		require.Eventually(l.t, l.handles, time.Minute, 5*time.Millisecond)
	}
	for p := range loadPublishers {
		l.publishing.Go(func() {
			for i := cmp.Or(p, loadPublishers); l.goesOn(i) && l.t.Context().Err() == nil; i += loadPublishers {
				l.publishBatch(to, p, i)
				l.lasts(l.pace())
			}
		})
	}
}

// pace is how long a publisher waits between two batches.
func (l *load) pace() time.Duration {
	if l.onAndOn.Load() {
		return max(l.options.pace, 100*time.Millisecond)
	}
	return l.options.pace
}

// goesOn reports whether the batch is to be published.
func (l *load) goesOn(batch int) bool {
	return l.onAndOn.Load() || int64(batch*loadBatch) < int64(l.options.events)+l.onTop.Load()
}

// handles reports whether anything was handed to a handler.
func (l *load) handles() bool {
	return slices.ContainsFunc(l.paths, func(path string) bool {
		file, err := os.Stat(path)
		return err == nil && strings.HasSuffix(path, "serve") && file.Size() > 0
	})
}

// publishBatch publishes once. Events of which nothing is stored are lost to the
// publisher, as the oracle knows from the journal.
func (l *load) publishBatch(to eventbus.EventBus, publisher, batch int) (events []eventbus.DomainEvent) {
	events = make([]eventbus.DomainEvent, loadBatch)
	for i := range events {
		n := batch*loadBatch + i
		aggregate := fmt.Sprintf("a%d-%d", publisher, n%(loadAggregates/loadPublishers))
		events[i] = eventbus.NewRaw("order.created", aggregate, "application/octet-stream", payload(n, l.options.size))
	}
	began := time.Now()
	if err := to.Publish(l.t.Context(), events...); err == nil {
		l.stored.Store(&stored{began, events})
	}
	l.published.Add(loadBatch)
	return events
}

func payload(n, size int) []byte {
	data := make([]byte, max(size, 8))
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// lasts returns after d: a fault has its time, and so has a publisher's pace.
func (l *load) lasts(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.t.Context().Done():
	}
}

// until waits until so many percent of the events were published.
func (l *load) until(percent int) {
	l.t.Helper()
	n := int64(l.options.events) * int64(percent) / 100
	require.Eventually(l.t, func() bool { return l.published.Load()-l.onTop.Load() >= n }, 5*time.Minute, 5*time.Millisecond)
}
