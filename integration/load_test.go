package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
	"github.com/seed-28af575d/eventbus/integration/process"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// lease is short, so that what a killed process has left comes back soon.
const lease = time.Second

// openBus makes a bus on the server. What it takes to close it is done after Shutdown.
func openBus(s broker.Server, prefix string, o eventbus.Options) (bus eventbus.EventBus, closeClient func() error, err error) {
	switch s.Kind {
	case broker.Redis:
		options, err := redis.ParseURL(s.URL)
		if err != nil {
			return nil, nil, err
		}
		c := redis.NewClient(options)
		bus, err = redisbus.New(c, redisbus.Options{Options: o, Prefix: prefix, Lease: lease})
		return bus, c.Close, err
	default:
		return nil, nil, fmt.Errorf("no bus on %s yet", s.Kind)
	}
}

// load is a run with publishers in the test's process and subscribers in others, under
// faults, and judged by the oracle.
type load struct {
	t         *testing.T
	server    broker.Server
	options   loadOptions
	dir       string
	paths     []string
	cuts      []time.Time
	workers   []*process.Worker
	bus       eventbus.EventBus
	done      chan struct{} // publishing is over
	published atomic.Int64  // events, whatever came of it
}

type loadOptions struct {
	events int // in the long form
	size   int // of a payload
}

const (
	loadGroup      = "shop"
	loadName       = "mailer"
	loadPublishers = 4
	loadAggregates = 200
	loadBatch      = 10                   // events of one Publish
	loadPace       = 5 * time.Millisecond // between two of them
	loadWindow     = 64
	loadWorkers    = 8
	loadFailing    = 50          // of a thousand attempts
	loadFatal      = 5           // of a thousand events, which become letters
	loadPatience   = time.Minute // for all to be handled when the faults are over
)

func newLoad(t *testing.T, server broker.Server, o loadOptions) *load {
	if testing.Short() {
		o.events /= 5
	}
	return &load{t: t, server: server, options: o, dir: t.TempDir(), done: make(chan struct{})}
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
	w := process.Start(l.t, process.Spec{Role: "serve", Patience: time.Minute, Args: process.Args{
		"kind": strconv.Itoa(int(l.server.Kind)), "url": l.server.URL, "addr": l.server.Addr, "file": l.journal("serve"),
	}})
	w.Ready()
	l.workers = append(l.workers, w)
	return w
}

// fault lets a fault happen, and notes when it begins and has happened: what a process
// received in between goes with it too.
func (l *load) fault(f func()) {
	l.cuts = append(l.cuts, time.Now())
	f()
	l.cuts = append(l.cuts, time.Now())
}

// publish begins to publish.
func (l *load) publish() {
	l.t.Helper()
	j, err := journal.Open(l.journal("publish"), "publisher")
	require.NoError(l.t, err)
	bus, closeClient, err := openBus(l.server, "load", eventbus.Options{Group: loadGroup, PublishTimeout: 5 * time.Second})
	require.NoError(l.t, err)
	l.bus = bus
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), 20*time.Second)
		defer cancel()
		<-l.done
		require.NoError(l.t, errors.Join(bus.Shutdown(ctx), closeClient(), j.Close()))
	})
	var wg sync.WaitGroup
	to := j.Publisher(bus)
	for p := range loadPublishers {
		wg.Go(func() {
			for i := p; i < l.options.events/loadBatch && l.t.Context().Err() == nil; i += loadPublishers {
				l.publishBatch(to, p, i)
				l.published.Add(loadBatch)
				l.lasts(loadPace)
			}
		})
	}
	go func() { wg.Wait(); close(l.done) }()
}

// publishBatch publishes once. Events of which nothing is stored are lost to the
// publisher, as the oracle knows from the journal.
func (l *load) publishBatch(to eventbus.EventBus, publisher, batch int) {
	events := make([]eventbus.DomainEvent, loadBatch)
	for i := range events {
		n := batch*loadBatch + i
		aggregate := fmt.Sprintf("a%d-%d", publisher, n%(loadAggregates/loadPublishers))
		events[i] = eventbus.NewRaw("order.created", aggregate, "application/octet-stream", payload(n, l.options.size))
	}
	_ = to.Publish(l.t.Context(), events...)
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
	require.Eventually(l.t, func() bool { return l.published.Load() >= n }, 5*time.Minute, 5*time.Millisecond)
}

// judge waits until the oracle is content, or for the patience, and returns its
// report.
func (l *load) judge() oracle.Report {
	l.t.Helper()
	<-l.done
	var report oracle.Report
	for deadline := time.Now().Add(loadPatience); ; l.lasts(200 * time.Millisecond) {
		log, err := journal.Read(l.paths...)
		require.NoError(l.t, err)
		report = oracle.Check(oracle.Evidence{
			Log: log, Letters: l.letters(), Cuts: l.cuts,
			Subscribers: []oracle.Subscriber{{
				Name: loadGroup + "." + loadName, Events: []string{"#"}, Order: oracle.EachProcess,
				Repeats: (len(l.cuts) + 1) * loadWindow * len(l.paths),
			}},
		})
		if report.Err() == nil || time.Now().After(deadline) {
			l.t.Logf("%s", report)
			return report
		}
	}
}

func (l *load) letters() (letters []dlq.Letter) {
	l.t.Helper()
	q, ok := dlq.Of(l.bus)
	require.True(l.t, ok)
	for letter, err := range q.List(l.t.Context(), dlq.Filter{}) {
		require.NoError(l.t, err)
		letters = append(letters, letter)
	}
	return letters
}

var (
	errTransient = errors.New("the post office is closed")
	errFatal     = errors.New("no such address")
)

// serve is the process with the subscriber.
func serve(ctx context.Context, args process.Args) (err error) {
	kind, _ := strconv.Atoi(args["kind"])
	j, err := journal.Open(args["file"], "serve")
	if err != nil {
		return err
	}
	bus, closeClient, err := openBus(broker.Server{Kind: broker.Kind(kind), URL: args["url"], Addr: args["addr"]}, "load", eventbus.Options{
		Group: loadGroup, Window: loadWindow, Middleware: []eventbus.Middleware{j.Middleware},
		Retry: eventbus.RetryPolicy{Attempts: 5, Min: 5 * time.Millisecond, Max: 50 * time.Millisecond},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeClient(), j.Close()) }()
	_, err = bus.Subscribe(ctx, eventbus.Subscriber{
		Name: loadName, Events: []string{"#"}, Concurrency: loadWorkers,
		Handler: eventbus.HandlerFunc(func(_ context.Context, e eventbus.DomainEvent) error {
			switch n := rand.IntN(1000); {
			case int(e.Data()[0])*1000/256 < loadFatal:
				return eventbus.Permanent(errFatal)
			case n < loadFailing:
				return errTransient
			}
			return nil
		}),
	})
	if err != nil {
		return err
	}
	if err := bus.Start(ctx); err != nil {
		return err
	}
	process.Ready(ctx)
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return bus.Shutdown(last)
}
