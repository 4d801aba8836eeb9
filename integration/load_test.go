package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
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
	t          *testing.T
	server     broker.Server // for the subscribers
	publishers broker.Server
	options    loadOptions
	dir        string
	paths      []string
	cuts       []time.Time
	published  chan error
	bus        eventbus.EventBus
	done       chan struct{} // publishing is over
	count      func() int    // of the events that were published, whatever came of it
}

type loadOptions struct {
	events     int           // in all
	aggregates int           //
	size       int           // of a payload
	batch      int           // events of one Publish
	failing    int           // of a thousand attempts
	fatal      int           // of a thousand events, which become letters
	pace       time.Duration // between two calls of a publisher
	patience   time.Duration // for all to be handled when the faults are over
}

const (
	loadGroup   = "shop"
	loadName    = "mailer"
	loaders     = 4 // publishers
	loadWindow  = 64
	loadWorkers = 8
)

func newLoad(t *testing.T, server, publishers broker.Server, o loadOptions) *load {
	l := &load{t: t, server: server, publishers: publishers, options: o, dir: t.TempDir(), done: make(chan struct{}), published: make(chan error, 1)}
	return l
}

// journal returns the path of one more journal.
func (l *load) journal(name string) string {
	path := filepath.Join(l.dir, fmt.Sprintf("%02d-%s", len(l.paths), name))
	l.paths = append(l.paths, path)
	return path
}

// serve starts a process with a subscriber.
func (l *load) serve() *process.Worker {
	l.t.Helper()
	w := process.Start(l.t, process.Spec{Role: "serve", Patience: time.Minute, Args: process.Args{
		"kind": strconv.Itoa(int(l.server.Kind)), "url": l.server.URL, "addr": l.server.Addr,
		"file": l.journal("serve"), "failing": strconv.Itoa(l.options.failing), "fatal": strconv.Itoa(l.options.fatal),
	}})
	w.Ready()
	return w
}

// fault notes that a fault is about to happen, and lets it.
func (l *load) fault(f func()) {
	l.cuts = append(l.cuts, time.Now())
	f()
}

// publish begins to publish.
func (l *load) publish() {
	l.t.Helper()
	j, err := journal.Open(l.journal("publish"), "publisher")
	require.NoError(l.t, err)
	bus, closeClient, err := openBus(l.publishers, "load", eventbus.Options{Group: loadGroup, PublishTimeout: 5 * time.Second})
	require.NoError(l.t, err)
	l.bus = bus
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), 20*time.Second)
		defer cancel()
		require.NoError(l.t, errors.Join(bus.Shutdown(ctx), closeClient(), j.Close()))
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	l.count = func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
	to := j.Publisher(bus)
	for p := range loaders {
		wg.Go(func() {
			for i := p; i < l.options.events/l.options.batch; i += loaders {
				l.publishBatch(to, p, i)
				mu.Lock()
				n += l.options.batch
				mu.Unlock()
				if l.options.pace > 0 {
					select {
					case <-time.After(l.options.pace):
					case <-l.t.Context().Done():
						return
					}
				}
			}
		})
	}
	go func() { wg.Wait(); close(l.done) }()
}

// publishBatch publishes once. Events of which nothing is stored are lost to the
// publisher, as the oracle knows from the journal.
func (l *load) publishBatch(to eventbus.EventBus, publisher, batch int) {
	events := make([]eventbus.DomainEvent, l.options.batch)
	for i := range events {
		n := batch*l.options.batch + i
		aggregate := fmt.Sprintf("a%d-%d", publisher, n%max(1, l.options.aggregates/loaders))
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

// until waits until so many events were published.
func (l *load) until(n int) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.count() >= n }, 2*time.Minute, 5*time.Millisecond)
}

// judge waits until the oracle is content, or for the patience, and returns its
// report.
func (l *load) judge() oracle.Report {
	l.t.Helper()
	<-l.done
	var report oracle.Report
	for deadline := time.Now().Add(l.options.patience); ; time.Sleep(200 * time.Millisecond) {
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
	failing, _ := strconv.Atoi(args["failing"])
	fatal, _ := strconv.Atoi(args["fatal"])
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
	var once sync.Once
	_, err = bus.Subscribe(ctx, eventbus.Subscriber{
		Name: loadName, Events: []string{"#"}, Concurrency: loadWorkers,
		Handler: eventbus.HandlerFunc(func(hctx context.Context, e eventbus.DomainEvent) error {
			once.Do(func() { process.Ready(ctx) })
			switch n := rand.IntN(1000); {
			case int(e.Data()[0])*1000/256 < fatal:
				return eventbus.Permanent(errFatal)
			case n < failing:
				return errTransient
			}
			return nil
		}),
	})
	if err != nil {
		return err
	}
	return eventbus.Run(ctx, bus, 10*time.Second)
}
